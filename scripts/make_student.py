"""Write the chapters without their solutions, as notebooks to hand out.

    python -m scripts.make_student  # all, into _build/student
    python -m scripts.make_student --output FOLDER notebooks/01_task.py ...

Text and code between a `solution-start` and its `solution-end` are left
out, and so are all outputs. An exercise keeps its cell with the check.
Directives become plain Markdown, which any Jupyter shows. A link to a page
that is not handed out leads to where that page is published.
"""

import argparse
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from posixpath import normpath

import jupytext
import nbformat
from nbformat import NotebookNode
from pybtex.database import parse_file
from pybtex.plugin import find_plugin

from scripts.book import Directive, directives, published
from scripts.move_repository import ROOT
from scripts.run_notebooks import normalize

# A link's path: not a whole address, and not a place on the same page.
_PATH = re.compile(r"(?<=\]\()(?!\w+:|#)[^)#\s]+")


class _Writer:
    """Copies the Markdown of a notebook, except for its solutions."""

    def __init__(self, beside: Collection[str]) -> None:
        self.beside = beside
        self.in_solution = False
        self.exercises = 0

    def markdown(self, source: str) -> str:
        """Return what is left of a Markdown cell; empty if nothing is."""
        lines, kept, done = source.splitlines(), [], 0
        for directive in directives(source):
            first, last = directive.lines
            kept += [] if self.in_solution else lines[done:first]
            kept += self.plain(directive)
            done = last
        kept += [] if self.in_solution else lines[done:]
        text = _PATH.sub(self.link, "\n".join(kept))
        return re.sub(r"\n{3,}", "\n\n", text).strip()

    def link(self, path: re.Match[str]) -> str:
        if path[0] in self.beside:
            return path[0]
        return published(normpath(f"notebooks/{path[0]}"))

    def plain(self, directive: Directive) -> list[str]:
        """Return a directive as plain Markdown.

        Raises:
            ValueError: it has no plain form yet.
        """
        if directive.name in ("solution-start", "solution-end"):
            self.in_solution = directive.name == "solution-start"
            return []
        if self.in_solution:
            return []
        if directive.name == "exercise":
            self.exercises += 1
            title = f"### Exercise {self.exercises}. {directive.argument}"
            return [title, "", *directive.body]
        if directive.name == "admonition":
            box = [f"**{directive.argument}**", "", *directive.body]
            return [f"> {line}".rstrip() for line in box]
        if directive.name == "bibliography":
            return references(directive.body)
        raise ValueError(f"no plain form for {{{directive.name}}}: add one")


def references(keys: Sequence[str]) -> list[str]:
    """Write these works of book/references.bib as a Markdown list."""
    works = parse_file(str(ROOT / "book" / "references.bib"))
    style = find_plugin("pybtex.style.formatting", "plain")()
    entries = style.format_bibliography(works, keys)
    texts = [entry.text.render_as("markdown") for entry in entries]
    return ["- " + " ".join(text.split()) for text in texts]


def student(
    notebook: NotebookNode, beside: Collection[str] = ()
) -> NotebookNode:
    """Return the notebook without solutions and outputs.

    Args:
        beside: names of the notebooks in the same folder, to which links
            stay as they are.

    Raises:
        ValueError: a solution does not end, or an unknown directive.
    """
    writer = _Writer(beside)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if source := writer.markdown(cell.source):
                cells.append(nbformat.v4.new_markdown_cell(source))
        elif not writer.in_solution:
            tags = {"tags": list(cell.metadata.get("tags", []))}
            cells.append(
                nbformat.v4.new_code_cell(cell.source, metadata=tags)
            )
    if writer.in_solution:
        raise ValueError("the last solution does not end")
    return normalize(nbformat.v4.new_notebook(cells=cells))


def main(arguments: Sequence[str]) -> None:
    """Write the notebooks that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m scripts.make_student")
    parser.add_argument("scripts", nargs="*", type=Path)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "_build" / "student"
    )
    options = parser.parse_args(arguments)
    scripts = options.scripts or sorted((ROOT / "notebooks").glob("*.py"))
    options.output.mkdir(parents=True, exist_ok=True)
    names = [f"{script.stem}.ipynb" for script in scripts]
    for script, name in zip(scripts, names, strict=True):
        made = student(jupytext.read(script), beside=names)
        nbformat.write(made, options.output / name)
        print(options.output / name)


if __name__ == "__main__":
    main(sys.argv[1:])
