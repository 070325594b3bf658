"""Write the slides of each chapter, as decks that a browser shows.

    python -m scripts.make_slides        # all, into _build/slides
    python -m scripts.make_slides 1 8    # these chapters
    python -m scripts.make_slides --output FOLDER

A deck is made from the chapter's notebook with its stored outputs (see
scripts/slides/choose.py for what is shown). It has no solutions. All that
it needs is in the same folder, so it can be copied, and opened from disk.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import nbformat

from scripts.make_student import find_chapter
from scripts.move_repository import ROOT
from scripts.slides.choose import choose_slides
from scripts.slides.render import HERE, render_deck, render_index
from scripts.slides.sections import read_sections
from unitconv.common.errors import UnitconvError

# reveal.js comes with a package for Sphinx, of which nothing else is used.
REVEAL = files("sphinx_revealjs") / "_static" / "revealjs"
PARTS = {
    "dist/reset.css": "reset.css",
    "dist/reveal.css": "reveal.css",
    "dist/reveal.js": "reveal.js",
    "plugin/notes/notes.js": "notes.js",
    "LICENSE": "LICENSE",
}
MATHJAX = ROOT / "book" / "_static" / "mathjax"


def copy_assets(folder: Path) -> None:
    """Copy reveal.js, MathJax and the style sheet beside the decks."""
    (folder / "reveal").mkdir(parents=True, exist_ok=True)
    with as_file(REVEAL) as reveal:
        for source, name in PARTS.items():
            shutil.copyfile(reveal / source, folder / "reveal" / name)
    shutil.copytree(MATHJAX, folder / "mathjax", dirs_exist_ok=True)
    shutil.copyfile(HERE / "slides.css", folder / "slides.css")


def write_deck(notebook: Path, folder: Path) -> tuple[str, str]:
    """Write the deck of a chapter; return its file name and its title."""
    deck = choose_slides(read_sections(nbformat.read(notebook, 4)))
    number = int(notebook.stem.split("_")[0])
    html = render_deck(deck, number, source=notebook.name)
    name = f"{notebook.stem}.html"
    (folder / name).write_text(html, encoding="utf-8")
    return name, deck.title


def main(arguments: Sequence[str]) -> None:
    """Write the decks that the arguments name, and a list of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "chapters", nargs="*", help="numbers or files; by default all"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "_build" / "slides"
    )
    options = parser.parse_args(arguments)
    scripts = [find_chapter(name) for name in options.chapters]
    every = sorted((ROOT / "notebooks").glob("*.ipynb"))
    notebooks = [one.with_suffix(".ipynb") for one in scripts] or every
    copy_assets(options.output)
    decks = [write_deck(one, options.output) for one in notebooks]
    index = options.output / "index.html"
    index.write_text(render_index(decks), encoding="utf-8")
    print(index)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UnitconvError, OSError) as error:
        sys.exit(f"error: {error}")
