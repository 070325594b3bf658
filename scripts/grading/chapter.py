"""Exercises of a chapter, read from the course's own notebook."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from unitconv.common.errors import UnitconvError


@dataclass(frozen=True)
class Exercise:
    """A check and the names of the answers that the course hands to it."""

    check: str
    answers: tuple[str, ...]
    points: int
    place: int  # of its cell, among the code cells of the chapter


@dataclass(frozen=True)
class Chapter:
    """The code cells of a chapter without solutions, and its exercises."""

    name: str
    cells: tuple[str, ...]
    exercises: tuple[Exercise, ...]


def read_chapter(path: Path) -> Chapter:
    """Read notebooks/NAME.py, or a notebook that `make student` wrote.

    Raises:
        UnitconvError: an exercise's cell is not of the form that
            CONTRIBUTING.md describes.
    """
    cells = _code_cells(jupytext.read(path))
    exercises = tuple(
        _exercise(cell, place)
        for place, cell in enumerate(cells)
        if "exercise" in cell.metadata.get("tags", [])
    )
    if not exercises:
        raise UnitconvError(f"{path}: no cell is tagged `exercise`")
    sources = tuple(cell.source for cell in cells)
    return Chapter(path.stem, sources, exercises)


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells outside solutions."""
    kept, in_solution = [], False
    for cell in notebook.cells:
        marks = re.findall(
            r"^```\{solution-(start|end)\}", cell.source, re.M
        )
        if cell.cell_type == "markdown" and marks:
            in_solution = marks[-1] == "start"
        elif cell.cell_type == "code" and not in_solution:
            kept.append(cell)
    return kept


def find_points(cell: NotebookNode) -> int:
    """Return what an exercise is worth: one point, or what a tag says.

    Raises:
        UnitconvError: a tag gives points in another form.
    """
    given = [tag for tag in cell.metadata.tags if tag.startswith("points")]
    if not given:
        return 1
    if len(given) > 1 or not re.fullmatch(r"points=\d{1,4}", given[0]):
        raise UnitconvError(
            f"an exercise has one tag such as `points=3`, not {given}"
        )
    return int(given[0].removeprefix("points="))


def _exercise(cell: NotebookNode, place: int) -> Exercise:
    calls = find_attempts(cell.source)
    if len(calls) != 1:
        raise UnitconvError(f"an exercise has one attempt:\n{cell.source}")
    [(check, answers)] = calls.items()
    return Exercise(check, answers, find_points(cell), place)


def find_attempts(source: str) -> dict[str, tuple[str, ...]]:
    """Return what is handed to `attempt` in Python code, by the check.

    Raises:
        SyntaxError: it is no Python.
    """
    attempts = {}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Name("attempt") | ast.Attribute(attr="attempt"),
                args=[ast.Name(check), *answers],
            ):
                attempts[check] = tuple(map(ast.unparse, answers))
    return attempts
