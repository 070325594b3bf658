"""Copy the book's sources without solutions: `make book SOLUTIONS=no`.

    python -m scripts.cut_solutions FOLDER

A solution, its outputs and everything else between `solution-start` and
`solution-end` is not in the copy, so no page, search index or source file
of a site built from it can show it. Neither do its buttons lead to the
repository, where the solutions are.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from scripts.book import read_yaml
from scripts.move_repository import ROOT

_GATE = re.compile(
    r"^```\{solution-(start|end)\}.*\n(?::.*\n)*```[ \t]*\n?", re.M
)


def cut(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook without its solutions, otherwise as it is.

    Raises:
        ValueError: a solution does not end.
    """
    cells, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cells += [] if inside else [cell]
            continue
        kept = ""
        for number, part in enumerate(_GATE.split(cell.source)):
            if number % 2:
                inside = part == "start"
            elif not inside:
                kept += part
        if kept.strip():
            cells.append(nbformat.v4.new_markdown_cell(kept.strip()))
    if inside:
        raise ValueError("the last solution does not end")
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def copy_book(folder: Path) -> None:
    """Write everything that the book is built from into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "book", folder / "book")
    (folder / "notebooks").mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        made = cut(nbformat.read(path, as_version=4))
        nbformat.write(made, folder / "notebooks" / path.name)
    config = read_yaml("_config.yml")
    config["launch_buttons"] = {}
    for button in ("repository", "edit_page"):
        config["html"][f"use_{button}_button"] = False
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (folder / "_config.yml").write_text(text, "utf-8")
    shutil.copy(ROOT / "_toc.yml", folder)


if __name__ == "__main__":
    copy_book(Path(sys.argv[1]))
