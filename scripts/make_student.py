"""Write the chapters without their solutions, as notebooks to hand out.

    python -m scripts.make_student  # all, into _build/student
    python -m scripts.make_student --output FOLDER 1 7
    python -m scripts.make_student --roster class.csv --seed SECRET 1

Text and code between a `solution-start` and its `solution-end` are left
out, and so are all outputs. Directives become plain Markdown, which any
Jupyter shows. Links to what is not handed out lead to the repository. With
a roster, each student gets a folder, with numbers of their own.
"""

import argparse
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from posixpath import normpath

import jupytext
import nbformat
from nbformat import NotebookNode
from pybtex.database import parse_file
from pybtex.plugin import find_plugin

from scripts.book import Directive, directives, split
from scripts.drawn_numbers import Draw
from scripts.grading.chapter import find_points
from scripts.grading.submission import file_name, read_roster
from scripts.move_repository import ROOT, address, branch
from scripts.run_notebooks import normalize
from unitconv.common.errors import UnitconvError

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
    cells, titles, in_solution = [], _titles(notebook), False
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
                kept.append(to_markdown(part, titles))
            else:
                kept.append(part)
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
        if text:
            text = _PATH.sub(lambda path: link(path[0], beside), text)
            cells.append(nbformat.v4.new_markdown_cell(text))
    if in_solution:
        raise ValueError("the last solution does not end")
    return normalize(nbformat.v4.new_notebook(cells=cells))


def _titles(notebook: NotebookNode) -> Iterator[str]:
    """Yield the title of each exercise, with its number.

    Where not all are worth one point, each that has a check says what it
    is worth.
    """
    titles: list[str] = []
    points: dict[int, int] = {}  # by the number of the exercise
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            titles += [
                part.argument
                for part in directives(cell.source)
                if part.name == "exercise"
            ]
        elif "exercise" in cell.metadata.get("tags", []):
            points[len(titles)] = find_points(cell)
    if {*points.values()} == {1}:
        points.clear()
    for number, title in enumerate(titles, start=1):
        worth = ""
        if number in points:
            plural = "" if points[number] == 1 else "s"
            worth = f" ({points[number]} point{plural})"
        yield f"Exercise {number}. {title}{worth}"


def to_markdown(directive: Directive, titles: Iterator[str]) -> str:
    """Write a directive as plain Markdown.

    Args:
        titles: the next one is that of this exercise, if it is one.

    Raises:
        ValueError: it has no plain form yet.
    """
    body = "\n".join(directive.body)
    match directive.name:
        case "exercise":
            return f"### {next(titles)}\n\n{body}"
        case "admonition":
            box = f"**{directive.argument}**\n\n{body}".splitlines()
            return "\n".join(f"> {line}".rstrip() for line in box)
        case "bibliography":
            return references(directive.body)
        case name if name.startswith("live-"):  # alive in the book alone
            return "\n".join(f"> {line}" for line in directive.body)
        case "quiz":
            return body
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
    return f"{address()}/blob/{branch()}/{normpath(f'notebooks/{path}')}"


def find_chapter(name: str) -> Path:
    """Return the script of a chapter by its number or its path.

    Raises:
        UnitconvError: there is no such chapter.
    """
    if not name.isdecimal():
        return Path(name)
    found = [*(ROOT / "notebooks").glob(f"{name.zfill(2)}_*.py")]
    if not found:
        raise UnitconvError(f"there is no chapter {name}: try 1 or 90")
    return found[0]


def write_all(
    scripts: Sequence[Path], folder: Path, name: str = "", seed: str = ""
) -> None:
    """Write notebooks, with the numbers of a student if one is named."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{script.stem}.ipynb" for script in scripts]
    for script in scripts:
        chapter = jupytext.read(script)
        if name:
            Draw(script.stem, name, seed).put_into(chapter)
        made = student(chapter, beside=names)
        nbformat.write(made, folder / f"{script.stem}.ipynb")
        print(folder / f"{script.stem}.ipynb")


def main(arguments: Sequence[str]) -> None:
    """Write the notebooks that the arguments name.

    Raises:
        UnitconvError: an unknown chapter, or a roster without a seed.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.make_student")
    add = parser.add_argument
    add("chapters", nargs="*", help="numbers or files; by default all")
    add("--output", type=Path, default=ROOT / "_build" / "student")
    add("--roster", type=Path, help="a CSV: draw numbers for each name")
    add("--seed", default="", help="to draw from; keep it for grading")
    options = parser.parse_args(arguments)
    every = sorted((ROOT / "notebooks").glob("*.py"))
    scripts = [find_chapter(one) for one in options.chapters] or every
    if not options.roster:
        return write_all(scripts, options.output)
    for name, *_ in read_roster(options.roster):
        folder = options.output / file_name(name)
        write_all(scripts, folder, name, options.seed)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UnitconvError, OSError) as error:
        sys.exit(f"error: {error}")
