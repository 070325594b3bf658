"""What is to be graded: a submission with its trials, or its absence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.drawn_numbers import Draw
from scripts.grading.chapter import Chapter
from scripts.grading.messages import one_line
from scripts.grading.session import Mark, Result
from scripts.grading.submission import (
    Trials,
    UnreadableError,
    plan,
    read_cells,
)


@dataclass(frozen=True)
class Task:
    """A submission to run, and where its marks go."""

    result: Result
    cells: list[str]
    trials: list[Trials]


def prepare(path: Path, student: str, chapter: Chapter) -> Task:
    """Read a submission; one that cannot be run has no trials."""
    result = Result(student, str(path))
    try:
        cells = read_cells(path)
        trials = plan(cells, chapter)
    except Exception as error:  # whatever is in it, the class goes on
        known = isinstance(error, UnreadableError)
        said = str(error) if known else f"unreadable: {error!r}"
        result.reason = one_line(said)
        result.marks = no_marks(chapter, f"Not yet: {result.reason}.")
        return Task(result, [], [])
    code = [source for kind, source in cells if kind == "code"]
    return Task(result, code, trials)


def draw_numbers(task: Task, draw: Draw, chapter: Chapter) -> None:
    """Have a submission checked on the numbers drawn for its student."""
    for number, trial in enumerate(task.trials):
        check = trial.exercise.check
        given = chapter.cells[trial.exercise.place]
        cell = draw.cell(check, given)
        if cell == given:
            continue
        task.trials[number] = replace(trial, cell=cell)
        changed = set(cell.splitlines()) - set(given.splitlines())
        if not any(changed <= {*one.splitlines()} for one in task.cells):
            task.result.errors.append(
                f"{check}: the notebook has other numbers than those for "
                f"{task.result.student}"
            )


def no_marks(chapter: Chapter, text: str) -> list[Mark]:
    return [
        Mark(one.check, 0, one.points, text) for one in chapter.exercises
    ]


def absent(
    roster: Sequence[Sequence[str]], names: Sequence[str], chapter: Chapter
) -> list[Result]:
    """Return results of those on the roster who handed in nothing."""
    missing = [
        row[0]
        for row in roster
        if not any(
            n == row[0] or n.startswith(f"{row[0]} (") for n in names
        )
    ]
    marks = no_marks(chapter, "Not yet: nothing was handed in.")
    return [
        Result(name, "", "nothing handed in", marks) for name in missing
    ]
