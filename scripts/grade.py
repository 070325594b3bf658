"""Grade notebooks that students handed in.

    python -m scripts.grade notebooks/01_task.py handed_in/*.ipynb
    python -m scripts.grade --csv marks.csv notebooks/01_task.py ...

Each notebook is executed from top to bottom, mistakes and all. After the
last attempt at an exercise the *course's* check is put in, so that an
edited check or a printed "Solved." counts for nothing. What is executed is
other people's code: do it in a container without a network. A check can
still be fooled by code that sets out to fool it; read what surprises you.
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
    """Return the code that runs each check of a chapter, by its name.

    It is the starter's cell without the definitions of the answer.
    """
    code = {}
    for cell in chapter.cells:
        if "exercise" in cell.metadata.get("tags", []):
            *body, last = ast.parse(cell.source).body
            check, *answer = _attempt_arguments(last)
            kept = [n for n in body if _defined_name(n) not in answer]
            code[check] = "\n".join(map(ast.unparse, [*kept, last]))
    return code


def _attempt_arguments(node: ast.stmt) -> list[str]:
    """Return the arguments of a call of `attempt`, the check first."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value
        if ast.unparse(call.func) == "attempt":
            return [ast.unparse(argument) for argument in call.args]
    return []


def _defined_name(node: ast.stmt) -> str | None:
    match node:
        case ast.FunctionDef(name=name):
            return name
        case ast.AnnAssign(target=target) | ast.Assign(targets=[target]):
            return ast.unparse(target)
    return None


def with_checks(
    handed_in: NotebookNode, checks: dict[str, str]
) -> NotebookNode:
    """Return the notebook with each check after the last attempt at it."""
    last: dict[str, int] = {}
    for place, cell in enumerate(handed_in.cells):
        if cell.cell_type == "code":
            last |= dict.fromkeys(_attempted_checks(cell.source), place)
    cells = []
    for place, cell in enumerate(handed_in.cells):
        cells.append(cell)
        for name, code in checks.items():
            if last.get(name) == place:
                metadata = {"check": name}
                cells.append(
                    nbformat.v4.new_code_cell(code, metadata=metadata)
                )
    return nbformat.v4.new_notebook(cells=cells)


def _attempted_checks(source: str) -> list[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return []
    return [name for node in body for name in _attempt_arguments(node)[:1]]


def grade(handed_in: NotebookNode, chapter: NotebookNode) -> dict[str, str]:
    """Return what `attempt` prints for each exercise, by its check."""
    code = checks(chapter)
    notebook = with_checks(handed_in, code)
    NotebookClient(
        notebook,
        timeout=TIMEOUT,
        interrupt_on_timeout=True,  # and go on with the next cell
        allow_errors=True,
    ).execute()
    verdicts = dict.fromkeys(code, "not found")
    for cell in notebook.cells:
        if name := cell.metadata.get("check"):
            text = "".join(o.get("text", "") for o in cell.outputs).strip()
            errors = [o.ename for o in cell.outputs if "ename" in o]
            verdicts[name] = errors[0] if errors else text
    return verdicts


def students(handed_in: Sequence[Path]) -> list[str]:
    """Return a distinct name a notebook: the file's, else the folder's."""
    for names in (
        [path.stem for path in handed_in],
        [path.absolute().parent.name for path in handed_in],
    ):
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in handed_in]


def main(arguments: Sequence[str]) -> None:
    """Print a line an exercise; with `--csv` write a gradebook as well."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.grade",
        description="Grade notebooks that students handed in.",
    )
    parser.add_argument("chapter", type=Path, help="notebooks/NAME.py")
    parser.add_argument("handed_in", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    chapter = jupytext.read(options.chapter)
    names = students(options.handed_in)
    rows: list[dict[str, str | int]] = []
    for path, name in zip(options.handed_in, names, strict=True):
        verdicts = grade(nbformat.read(path, as_version=4), chapter)
        points = {k: int(v == "Solved.") for k, v in verdicts.items()}
        solved = sum(points.values())
        print(f"{path}: {solved} of {len(points)}")
        for check, text in verdicts.items():
            print(f"  {check}: {text}")
        total = {"solved": solved, "exercises": len(points)}
        rows.append({"student": name, **points, **total})
        if options.csv:  # after each: should one fail, the others are kept
            with options.csv.open(
                "w", encoding="utf-8", newline=""
            ) as file:
                table = csv.DictWriter(file, rows[0])
                table.writeheader()
                table.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
