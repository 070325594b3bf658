"""Grade notebooks that students handed in.

    python -m scripts.grade_submissions notebooks/01_task.py handed_in/*
    python -m scripts.grade_submissions --csv FILE notebooks/01_task.py ...

Each notebook is executed from top to bottom, mistakes and all. After the
last attempt at an exercise the *course's* check is put in, so that an
edited check or a printed "Solved." counts for nothing. What is executed is
other people's code: do it in a container without a network. A check can
still be fooled by code that sets out to fool it; read what surprises you.
"""

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
import pandas as pd
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
            [(check, answer)] = _attempts(cell.source).items()
            body = ast.parse(cell.source).body
            kept = [n for n in body if _defined_name(n) not in answer]
            code[check] = "\n".join(map(ast.unparse, kept))
    return code


def _attempts(source: str) -> dict[str, list[str]]:
    """Return what is handed to `attempt` in a cell, by the check."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return {}
    attempts = {}
    for node in body:
        match node:
            case ast.Expr(ast.Call(ast.Name("attempt"), [check, *answer])):
                attempts[ast.unparse(check)] = [*map(ast.unparse, answer)]
    return attempts


def _defined_name(node: ast.stmt) -> str | None:
    match node:
        case ast.FunctionDef(name=name):
            return name
        case ast.AnnAssign(target=target) | ast.Assign(targets=[target]):
            return ast.unparse(target)
    return None


def grade(handed_in: NotebookNode, chapter: NotebookNode) -> dict[str, str]:
    """Return what `attempt` prints for each exercise, by its check."""
    code = checks(chapter)
    last = {
        check: place
        for place, cell in enumerate(handed_in.cells)
        if cell.cell_type == "code"
        for check in _attempts(cell.source)
    }
    cells = []
    for place, cell in enumerate(handed_in.cells):
        cells.append(cell)
        cells += [
            nbformat.v4.new_code_cell(source, metadata={"check": check})
            for check, source in code.items()
            if last.get(check) == place
        ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook,
        timeout=TIMEOUT,
        interrupt_on_timeout=True,  # and go on with the next cell
        allow_errors=True,
    ).execute()
    verdicts = dict.fromkeys(code, "not found")
    for cell in cells:
        if check := cell.metadata.get("check"):
            text = "".join(o.get("text", "") for o in cell.outputs).strip()
            errors = [o.ename for o in cell.outputs if "ename" in o]
            verdicts[check] = errors[0] if errors else text
    return verdicts


def main(arguments: Sequence[str]) -> None:
    """Print a line an exercise; with `--csv` write a gradebook as well."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.grade_submissions"
    )
    parser.add_argument("chapter", type=Path, help="notebooks/NAME.py")
    parser.add_argument("handed_in", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    chapter = jupytext.read(options.chapter)
    stems = {path.stem for path in options.handed_in}
    distinct = len(stems) == len(options.handed_in)
    rows: list[dict[str, str | int]] = []
    for path in options.handed_in:
        verdicts = grade(nbformat.read(path, as_version=4), chapter)
        points = {k: int(v == "Solved.") for k, v in verdicts.items()}
        solved = sum(points.values())
        print(f"{path}: {solved} of {len(points)}")
        for check, text in verdicts.items():
            print(f"  {check}: {text}")
        total = {"solved": solved, "exercises": len(points)}
        name = path.stem if distinct else path.absolute().parent.name
        rows.append({"student": name, **points, **total})
        if options.csv:  # after each: should one fail, the others are kept
            pd.DataFrame(rows).to_csv(options.csv, index=False)


if __name__ == "__main__":
    main(sys.argv[1:])
