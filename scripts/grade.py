"""Run handed-in notebooks and say which exercises they solve.

    python -m scripts.grade notebooks/01_task.py handed_in/*.ipynb
    python -m scripts.grade --csv marks.csv notebooks/01_task.py ...

Each notebook is executed from top to bottom, mistakes and all. After every
exercise the *course's* check is put in, so that a check that was edited,
or a printed "Solved.", counts for nothing. What is executed is other
people's code: do it where they can do no harm, in a container without a
network. A check can still be fooled by code that sets out to fool it; read
what surprises you.
"""

import argparse
import ast
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

TIMEOUT = 300  # seconds a cell may take


def checks(chapter: NotebookNode) -> dict[str, str]:
    """The name of each check -> the code that tries it anew.

    It is the starter's cell without the places for the answer.
    """
    found = {}
    for cell in chapter.cells:
        if "exercise" in cell.metadata.get("tags", []):
            *body, last = ast.parse(cell.source).body
            check, *answer = _attempted(last)
            kept = [node for node in body if not _names(node) & {*answer}]
            found[check] = "\n".join(map(ast.unparse, [*kept, last]))
    return found


def _attempted(node: ast.stmt) -> list[str]:
    """What a statement hands to `attempt`, the check first."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value
        if ast.unparse(call.func) == "attempt":
            return [ast.unparse(argument) for argument in call.args]
    return []


def _names(node: ast.stmt) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.AnnAssign):
        return {ast.unparse(node.target)}
    if isinstance(node, ast.Assign):
        return {ast.unparse(target) for target in node.targets}
    return set()


def with_checks(
    handed_in: NotebookNode, trials: dict[str, str]
) -> NotebookNode:
    """The notebook with the course's check after each last attempt."""
    last: dict[str, int] = {}
    for place, cell in enumerate(handed_in.cells):
        if cell.cell_type == "code":
            last |= dict.fromkeys(_tries(cell.source), place)
    cells = []
    for place, cell in enumerate(handed_in.cells):
        cells.append(cell)
        for name, trial in trials.items():
            if last.get(name) == place:
                tried = nbformat.v4.new_code_cell(trial)
                tried.metadata["check"] = name
                cells.append(tried)
    return nbformat.v4.new_notebook(cells=cells)


def _tries(source: str) -> set[str]:
    """The checks that a cell attempts; none if it is no Python."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return set()
    return {name for node in body for name in _attempted(node)[:1]}


def grade(handed_in: NotebookNode, chapter: NotebookNode) -> dict[str, str]:
    """What `attempt` says to each exercise of the chapter, by its check."""
    trials = checks(chapter)
    notebook = with_checks(handed_in, trials)
    NotebookClient(
        notebook,
        timeout=TIMEOUT,
        interrupt_on_timeout=True,  # and go on with the next cell
        allow_errors=True,
    ).execute()
    said = dict.fromkeys(trials, "not found")
    for cell in notebook.cells:
        if name := cell.metadata.get("check"):
            text = "".join(o.get("text", "") for o in cell.outputs).strip()
            failed = [o.ename for o in cell.outputs if "ename" in o]
            said[name] = failed[0] if failed else text
    return said


def students(handed_in: Sequence[Path]) -> list[str]:
    """Whose each notebook is: as it is called, or else as its folder is."""
    for names in (
        [path.stem for path in handed_in],
        [path.absolute().parent.name for path in handed_in],
    ):
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in handed_in]


def marks(student: str, said: dict[str, str]) -> dict[str, str | int]:
    """A row of a gradebook: 1 for each exercise that is solved, or 0."""
    points = {name: int(text == "Solved.") for name, text in said.items()}
    solved = sum(points.values())
    return {
        "student": student,
        **points,
        "solved": solved,
        "exercises": len(points),
    }


def write_table(path: Path, rows: Sequence[dict[str, str | int]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.grade",
        description="Say which exercises handed-in notebooks solve.",
    )
    parser.add_argument("chapter", type=Path, help="notebooks/NAME.py")
    parser.add_argument("handed_in", nargs="+", type=Path)
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write a table as well, one row a notebook",
    )
    options = parser.parse_args(arguments)
    chapter = jupytext.read(options.chapter)
    names = students(options.handed_in)
    rows = []
    for path, name in zip(options.handed_in, names, strict=True):
        said = grade(nbformat.read(path, as_version=4), chapter)
        rows.append(marks(name, said))
        print(f"{path}: {rows[-1]['solved']} of {len(said)}")
        for check, text in said.items():
            print(f"  {check}: {text}")
        if options.csv:  # after each: should one fail, the others stand
            write_table(options.csv, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
