"""Grade notebooks that students handed in.

    python -m scripts.grade_submissions notebooks/01_task.py handed_in/*
    python -m scripts.grade_submissions --output FOLDER CHAPTER FILES ...

Each notebook is executed from top to bottom, mistakes and all, in a sandbox
of its own. The course's checks run in another process, which sees of a
submission only the values and calls that it sends: an edited check or a
printed "Solved." counts for nothing. With `--output`, FOLDER receives
marks.csv, a file for each student in feedback, and what a second call need
not grade again.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock

from scripts.drawn_numbers import Draw
from scripts.grading.chapter import Chapter, read_chapter
from scripts.grading.messages import one_line
from scripts.grading.records import FAULT, Records
from scripts.grading.reference import Reference
from scripts.grading.report import (
    lines,
    write_feedback,
    write_gradescope,
    write_table,
)
from scripts.grading.sandbox import (
    Limits,
    Sandbox,
    best_level,
    copy_library,
)
from scripts.grading.session import Result, grade
from scripts.grading.submission import name_students, read_roster
from scripts.grading.task import Task, absent, draw_numbers, prepare
from scripts.grading.weights import copy_weights, needs_weights
from unitconv.common.errors import UnitconvError


def grade_all(
    tasks: Sequence[Task],
    start: Callable[[], Reference],
    sandboxes: Sequence[Sandbox],
    done: Callable[[Task], None],
) -> None:
    """Grade submissions, one at a time in each sandbox.

    Args:
        start: runs the chapter, once for each sandbox.
        done: is called after each submission, never twice at a time.
    """
    waiting: SimpleQueue[Task] = SimpleQueue()
    for task in tasks:
        waiting.put(task)
    one_by_one = Lock()

    def work(sandbox: Sandbox) -> None:
        with closing(start()) as reference:
            while not waiting.empty():
                with suppress(Empty):
                    task = waiting.get_nowait()
                    grade_one(task, reference, sandbox)
                    with one_by_one:
                        done(task)

    with ThreadPoolExecutor(len(sandboxes)) as pool:
        try:
            list(pool.map(work, sandboxes[: len(tasks)]))
        finally:  # interrupted: let no job take another one
            while not waiting.empty():
                with suppress(Empty):
                    waiting.get_nowait()


def grade_one(task: Task, reference: Reference, sandbox: Sandbox) -> None:
    """Grade a submission; the others go on, even after a fault of ours."""
    try:
        grade(task.result, task.cells, task.trials, reference, sandbox)
    except Exception as error:
        task.result.reason = f"{FAULT}: {error!r}"


def read_hidden(path: Path | None, chapter: Chapter) -> str:
    """Read the code of hidden checks; say which will not be used.

    Raises:
        UnitconvError: it is no Python.
    """
    source = path.read_text("utf-8") if path else ""
    try:
        compile(source, str(path), "exec")
    except SyntaxError as error:
        raise UnitconvError(f"{path} is no Python: {error}") from error
    names = [exercise.check for exercise in chapter.exercises]
    for check in re.findall(r"^def (check_\w+)", source, re.M):
        if not any(f"{check}_".startswith(f"{name}_") for name in names):
            print(
                f"{path}: {check} belongs to no exercise of "
                f"{chapter.name}, which are {', '.join(names)}",
                file=sys.stderr,
            )
    return source


def read_course(options: argparse.Namespace) -> Chapter:
    """Read the chapter by which the others are graded.

    Raises:
        UnitconvError: it is one of those that were handed in, as when
            `--seed $SECRET` takes the next word because SECRET is not set.
    """
    path: Path = options.chapter
    if path.suffix == ".ipynb" and any(
        path.resolve().parent == other.resolve().parent
        for other in options.handed_in
    ):
        raise UnitconvError(
            f"{path}, the first file, is to be the course's chapter and "
            "stands among those handed in: has an option no value?"
        )
    return read_chapter(path)


def isolation(library: Path, anyway: bool) -> str:
    """Return how submissions are isolated.

    Raises:
        UnitconvError: not at all, and nobody said that this will do.
    """
    level = best_level(library)
    if level == "none" and not anyway:
        raise UnitconvError(
            "this system allows no isolation: a submission could read the "
            "solutions and write what you can write. Grade on Linux, as "
            "root in a container, or add --no-isolation if you trust them"
        )
    return level


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.grade_submissions"
    )
    add = parser.add_argument
    add("chapter", type=Path, help="notebooks/NAME.py")
    add("handed_in", nargs="+", type=Path)
    add("--output", type=Path, help="a folder for marks and feedback")
    add("--roster", type=Path, help="a CSV: the name to use, other names")
    add("--seed", help="that the numbers in the exercises are drawn from")
    add("--hidden", type=Path, help="Python code with checks of your own")
    add("--timeout", type=int, default=900, help="seconds a submission")
    add("--cell-timeout", type=int, default=300, help="seconds a cell")
    add("--memory", type=float, default=8, help="GB a submission")
    add("--jobs", type=int, default=1, help="submissions at a time")
    add("--gradescope", type=Path, help="results.json, of one submission")
    add("--no-isolation", action="store_true", help="trust the class")
    return parser.parse_args(arguments)


def read_class(
    options: argparse.Namespace, chapter: Chapter, names: Sequence[str]
) -> list[Task]:
    """Read what was handed in, with the numbers drawn for each student."""
    tasks = [
        prepare(path, name, chapter)
        for path, name in zip(options.handed_in, names, strict=True)
    ]
    for task in tasks if options.seed is not None else []:
        draw = Draw(chapter.name, task.result.student, options.seed)
        draw_numbers(task, draw, chapter)
    return tasks


def main(arguments: Sequence[str]) -> None:
    """Print what each submission earns; write what the options ask for."""
    options = parse(arguments)
    chapter = read_course(options)
    roster = read_roster(options.roster)
    hidden = read_hidden(options.hidden, chapter)
    limits = Limits(
        seconds=options.timeout,
        cell_seconds=options.cell_timeout,
        memory=int(options.memory * 2**30),
    )
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    known = options.output and options.output / "records.json"
    records = Records(known, chapter, hidden, limits)
    names = name_students(options.handed_in, roster)
    tasks = read_class(options, chapter, names)
    results = [task.result for task in tasks] + absent(
        roster, names, chapter
    )

    def done(task: Task) -> None:
        records.add(task)
        write_all(results, options.output)
        said = [one_line(task.result.file), *lines(task.result)]
        print("\n  ".join(said), flush=True)

    waiting = [t for t in tasks if t.trials and not records.find(t)]
    for task in tasks:
        if task not in waiting:
            done(task)
    if waiting:
        with tempfile.TemporaryDirectory() as folder:
            packages = copy_library(Path(folder))
            if needs_weights(chapter):
                copy_weights(packages)
            level = isolation(packages, options.no_isolation)
            sandboxes = [
                Sandbox(level, packages, limits, slot)
                for slot in range(options.jobs)
            ]
            start = partial(Reference, options.chapter, hidden)
            grade_all(waiting, start, sandboxes, done)
    write_all(results, options.output)
    if options.gradescope:
        write_gradescope(options.gradescope, results)


def write_all(results: Sequence[Result], folder: Path | None) -> None:
    """Write the marks and feedback of all that is graded."""
    if folder:
        graded = [result for result in results if result.marks]
        write_table(folder / "marks.csv", graded)
        for result in graded:
            write_feedback(folder / "feedback", result)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UnitconvError, OSError) as error:
        sys.exit(f"error: {error}")
