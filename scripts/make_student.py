"""Write the chapters without their solutions, as notebooks to hand out.

    python -m scripts.make_student  # all, into _build/student
    python -m scripts.make_student --output FOLDER notebooks/01_task.py ...

Text and code between a `solution-start` and its `solution-end` are left
out, and so are all outputs. Directives become plain Markdown, which any
Jupyter shows. Links to what is not handed out lead to the repository.
"""

import argparse
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from pathlib import Path
from posixpath import normpath

import jupytext
import nbformat
from nbformat import NotebookNode
from pybtex.database import parse_file
from pybtex.plugin import find_plugin

from scripts.book import Directive, read_yaml, split
from scripts.move_repository import ROOT, address
from scripts.run_notebooks import normalize

# A link's path: not a whole address, and not a place on the same page.
_PATH = re.compile(r"(?<=\]\()(?!\w+:|#)[^)#\s]+")


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
    cells, numbers, in_solution = [], count(1), False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if not in_solution:
                tags = {"tags": cell.metadata.get("tags", [])}
                cells.append(
                    nbformat.v4.new_code_cell(cell.source, metadata=tags)
                )
            continue
        kept: list[str] = []
        for part in split(cell.source):
            if isinstance(part, Directive) and "solution-" in part.name:
                in_solution = part.name == "solution-start"
            elif in_solution:
                continue
            elif isinstance(part, Directive):
                kept.append(to_markdown(part, numbers))
            else:
                kept.append(part)
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
        if text:
            text = _PATH.sub(lambda path: link(path[0], beside), text)
            cells.append(nbformat.v4.new_markdown_cell(text))
    if in_solution:
        raise ValueError("the last solution does not end")
    return normalize(nbformat.v4.new_notebook(cells=cells))


def to_markdown(directive: Directive, numbers: Iterator[int]) -> str:
    """Write a directive as plain Markdown; number it if an exercise.

    Raises:
        ValueError: it has no plain form yet.
    """
    body = "\n".join(directive.body)
    match directive.name:
        case "exercise":
            title = f"Exercise {next(numbers)}. {directive.argument}"
            return f"### {title}\n\n{body}"
        case "admonition":
            box = f"**{directive.argument}**\n\n{body}".splitlines()
            return "\n".join(f"> {line}".rstrip() for line in box)
        case "bibliography":
            return references(directive.body)
        case name if name.startswith("live-"):  # alive in the book alone
            return "\n".join(f"> {line}" for line in directive.body)
    raise ValueError(f"no plain form for {{{directive.name}}}: add one")


def references(keys: Sequence[str]) -> str:
    """Write these works of book/references.bib as a Markdown list."""
    works = parse_file(str(ROOT / "book" / "references.bib"))
    style = find_plugin("pybtex.style.formatting", "plain")()
    entries = style.format_bibliography(works, keys)
    texts = [entry.text.render_as("markdown") for entry in entries]
    return "\n".join("- " + " ".join(text.split()) for text in texts)


def link(path: str, beside: Collection[str]) -> str:
    """Return where a link of a handed-out notebook leads."""
    if path in beside:
        return path
    branch = read_yaml("_config.yml")["repository"]["branch"]
    return f"{address()}/blob/{branch}/{normpath(f'notebooks/{path}')}"


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
