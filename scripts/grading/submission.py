"""Read a submission: its cells, its attempts, and whose it is."""

import csv
import hashlib
import re
import stat
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from scripts.grading.chapter import Chapter, Exercise, find_attempts
from scripts.grading.messages import one_line

LARGEST = 200 * 2**20  # bytes of a notebook, with its outputs
LONGEST_CODE = 2**19  # characters of its cells
MOST_ATTEMPTS = 10  # at an exercise; more is guessing, the last ones count

# Lines that are IPython's and not Python's: !ls, x = %magic, help?
_MAGIC = re.compile(
    r"^([ \t]*)(?:[!%?].*|[\w., ]+=[ \t]*[!%].*|[\w.]+\?\??[ \t]*)$", re.M
)

# What the parser raises, also for code that no person writes.
_NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)

# Canvas: lovelaceada_LATE_10234_887766_01_task-1.ipynb
_CANVAS = re.compile(r"([^_]+)(?:_LATE)?_(\d+)_\d+_.+")
# Moodle, a folder: Ada Lovelace_12345_assignsubmission_file_
_MOODLE = re.compile(r"(.+)_(\d+)_assignsubmission_file_?")


class UnreadableError(ValueError):
    """A submission that cannot be run; the message is the reason."""


@dataclass(frozen=True)
class Trials:
    """When an exercise is checked: after which cells, on which answers."""

    exercise: Exercise
    answers: dict[int, tuple[str, ...]]
    missing: str = ""  # why no attempt was found
    cell: str = ""  # the exercise with the student's own numbers


def read_cells(path: Path) -> list[tuple[str, str]]:
    """Return the type and the source of each cell.

    Raises:
        UnreadableError: it is no notebook, or a link out of its folder.
    """
    if path.resolve().parent != path.parent.resolve():
        raise UnreadableError("a link to another folder")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError("no file")
        if path.stat().st_size > LARGEST:
            raise UnreadableError(f"more than {LARGEST >> 20} MB")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableError("there is no notebook") from error
    except OSError as error:
        raise UnreadableError(f"unreadable: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if not text.strip():
        raise UnreadableError("the file is empty")
    if text.lstrip().startswith("<"):
        raise UnreadableError("a web page, not a notebook")
    try:
        with warnings.catch_warnings(action="ignore"):
            notebook = nbformat.reads(text, as_version=4)
        cells = [(str(c.cell_type), str(c.source)) for c in notebook.cells]
    except Exception as error:  # of many kinds, for a file of any content
        kind = type(error).__name__
        raise UnreadableError(
            f"no notebook can be read ({kind})"
        ) from error
    if sum(len(source) for _, source in cells) > LONGEST_CODE:
        raise UnreadableError(f"more than {LONGEST_CODE:,} characters")
    return cells


def plan(
    cells: Sequence[tuple[str, str]], chapter: Chapter
) -> list[Trials]:
    """Return when to check each exercise, by places among code cells.

    An answer is looked at after each attempt, once more before the next
    exercise, and at the end: some people write it further down.

    Raises:
        UnreadableError: no cell names any check of the chapter.
    """
    sources = [source for kind, source in cells if kind == "code"]
    everything = "\n".join(source for _, source in cells)
    checks = [exercise.check for exercise in chapter.exercises]
    if not any(re.search(rf"\b{check}\b", everything) for check in checks):
        raise UnreadableError(
            f"the wrong chapter: none of the exercises of {chapter.name}"
        )
    attempts: dict[str, dict[int, tuple[str, ...]]] = {}
    for place, source in enumerate(sources):
        for check, answers in _attempts(source, checks).items():
            attempts.setdefault(check, {})[place] = answers
    last = {check: max(found) for check, found in attempts.items()}
    return [
        _trials(exercise, cells, attempts.get(exercise.check, {}), last)
        for exercise in chapter.exercises
    ]


def _trials(
    exercise: Exercise,
    cells: Sequence[tuple[str, str]],
    attempts: Mapping[int, tuple[str, ...]],
    last: Mapping[str, int],
) -> Trials:
    """Return the trials of an exercise.

    Args:
        attempts: what is attempted, by the place of the cell.
        last: the place of the last attempt at each exercise.
    """
    end = sum(kind == "code" for kind, _ in cells) - 1
    if not attempts:
        why = _why(exercise, cells)
        return Trials(exercise, {end: exercise.answers}, why)
    place = max(attempts)
    next_one = min((n for n in last.values() if n > place), default=end + 1)
    counted = sorted(attempts)[-MOST_ATTEMPTS:]
    answers = {n: attempts[n] or exercise.answers for n in counted}
    for later in (next_one - 1, end):
        answers.setdefault(later, exercise.answers)
    return Trials(exercise, answers)


def _attempts(
    source: str, checks: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return the attempts of a cell with magics; no answers: unknown."""
    for text in (source, _MAGIC.sub(r"\1pass", source)):
        try:
            found = find_attempts(text)
        except _NO_PYTHON:
            continue
        return {check: found[check] for check in checks if check in found}
    return {
        check: ()
        for check in checks
        if re.search(rf"^[^#\n]*\battempt\(\s*{check}\b", source, re.M)
    }


def _why(exercise: Exercise, cells: Sequence[tuple[str, str]]) -> str:
    """Say why there is no attempt at an exercise."""
    call = f"attempt({exercise.check}, ...)"
    for kind, source in cells:
        if re.search(rf"\battempt\(\s*{exercise.check}\b", source):
            where = "a comment" if kind == "code" else f"a {kind} cell"
            return f"not found: {call} stands in {where}"
    return f"not found: no cell calls {call}"


def read_roster(path: Path | None) -> list[list[str]]:
    """Read a CSV: a header, then a row of names for each student."""
    if path is None:
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in [*csv.reader(file)][1:] if row]


def name_students(
    paths: Sequence[Path], roster: Sequence[Sequence[str]] = ()
) -> list[str]:
    """Return who handed in each file, as the roster calls them.

    Args:
        roster: a row a student: the name to use, and others such as an id.
    """
    known = _by_name(roster)
    stems = [path.stem for path in paths]
    names = []
    for path in paths:
        parent = path.absolute().parent.name
        # The folder's name is not the student's choice, the file's may be.
        options = [*_aliases(parent), *_aliases(path.stem)]
        found = filter(None, (known.get(_plain(one)) for one in options))
        own = path.stem if stems.count(path.stem) == 1 else parent
        names.append(next(found, _aliases(own)[0]))
    return [
        one_line(name if names.count(name) == 1 else f"{name} ({path})")
        for name, path in zip(names, paths, strict=True)
    ]


def _by_name(roster: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return students by all their names, without those that two share."""
    students: dict[str, set[str]] = {}
    for row in roster:
        for name in filter(None, map(_plain, row)):
            students.setdefault(name, set()).add(row[0])
    return {
        name: min(who) for name, who in students.items() if len(who) == 1
    }


def file_name(student: str) -> str:
    """Return a student's name as a file may be called, each another."""
    kept = [c if c.isalnum() or c in " -_.,'()" else "_" for c in student]
    short = "".join(kept).lstrip(".").encode("utf-8", "replace")[:150]
    name = short.decode("utf-8", "ignore")
    if name == student:
        return name
    digest = hashlib.sha256(student.encode("utf-8", "replace")).hexdigest()
    return f"{name} {digest[:8]}"


def _aliases(name: str) -> list[str]:
    """Return the student's name and number in a file's or folder's name."""
    found = _CANVAS.fullmatch(name) or _MOODLE.fullmatch(name)
    return [*found.groups()] if found else [name]


def _plain(name: str) -> str:
    """Return a name's letters and digits: Lovelace, Ada is lovelaceada."""
    return "".join(filter(str.isalnum, name.casefold()))
