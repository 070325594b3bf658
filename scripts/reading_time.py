"""How many minutes a chapter takes to read.

An estimate, but the same for all: so many words a minute, and a moment for
each figure. The exercises are not in it, because readers choose them, and
neither are the references.
"""

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

PROSE, CODE = 200, 130  # words a minute
FIGURE = 0.5  # minutes
LEFT_OUT = {"Exercises", "References"}
_SECTION = re.compile(r"^## +(.+)\n?", re.MULTILINE)


def minutes(notebook: NotebookNode) -> int:
    """Minutes to read a chapter, to the nearest five.

    What stands between two spaces is a word. The first code cell, the
    set-up, is not shown to a reader and not counted.
    """
    total, set_up = 0.0, True
    for kind, source in _read(notebook):
        words = len(source.split())
        if kind == "markdown":
            total += words / PROSE
        elif set_up:
            set_up = False
        else:
            total += words / CODE + FIGURE * shows_figure(source)
    return 5 * round(total / 5)


def _read(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """The kind and the text of each cell, but for what is left out."""
    section = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            parts = [cell.source]
        else:  # text, title, text, title, text: a cell may hold several
            parts = _SECTION.split(cell.source)
        for place, part in enumerate(parts):
            section = part if place % 2 else section
            if section not in LEFT_OUT:
                yield cell.cell_type, part


def shows_figure(source: str) -> bool:
    """Whether a cell ends in a call of a function from `figures`."""
    *_, last = ast.parse(source).body
    shown = last.value if isinstance(last, ast.Expr) else None
    return isinstance(shown, ast.Call) and ast.unparse(shown).startswith(
        "figures."
    )
