"""Slides: what of a chapter is shown, and that it fits."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

from scripts.make_slides import main
from scripts.move_repository import ROOT
from scripts.slides.choose import (
    Deck,
    choose_slides,
    cut_list,
    first_point,
    first_sentences,
)
from scripts.slides.outputs import fits, is_upright
from scripts.slides.sections import read_sections
from tests.browser import Watched, open_browser
from tests.scripts.test_make_student import split_lines

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WIDTH, HEIGHT = 1280, 720
APART = ["Exercises", "Three questions"]
# For each slide its heading and how far its content reaches.
MEASURE = """() => [...document.querySelectorAll(
  '.slides > section > section')].map(slide => {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    const from = slide.getBoundingClientRect();
    const ends = [...slide.querySelectorAll('.body, .body *')]
      .filter(part => !part.closest('mjx-assistive-mml'))
      .map(part => part.getBoundingClientRect())
      .filter(box => box.width);
    const scale = Reveal.getScale();
    return [
      slide.querySelector('h1, h2').textContent,
      (Math.max(...ends.map(end => end.right)) - from.left) / scale,
      (Math.max(...ends.map(end => end.bottom)) - from.top) / scale,
    ];
  })"""
CHAPTER = """# %% [markdown]
# # The chapter
#
# **The question of this chapter:** why?
#
# :::{admonition} What you will learn
# :class: tip
# - one thing;
# - another.
#
# **Time:** 5 minutes.
# :::

# %% tags=["remove-cell"]
secret = "fetches the library"

# %% [markdown]
# ## A section
#
# It begins [here](x.ipynb) (Ai et al. 2020). So it does.
#
# **A point** ([Ai 2020](https://example.org)). It has a reason.

# %%
import math

value = math.pi

# %%
import json

# Doubles.
def double(x):
    return 2 * x

# %% [markdown]
# ### A part of it
#
# Text.

# %% tags=["slide"]
long_one = 1

# %%
def short_one():
    return 2

# %% [markdown]
# ## Only parts
#
# ### This part
#
# It has a text.
#
# ## Exercises
#
# ```{exercise} Warm-up: try
# :label: ex-try
#
# Try $x^2$.
# ```

# %% tags=["exercise"]
def trying():
    raise NotImplementedError

# %% [markdown]
# ```{solution-start} ex-try
# ```
#
# The trick is this.

# %%
def trying():
    return "the solution"

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 2
#
# Which?
#
# - This.
# - That.
#
# The explanation.
# ```
#
# ## Recap
#
# - It ends.
"""


def chosen(notebook: Any) -> Deck:
    return choose_slides(read_sections(notebook))


@pytest.fixture(scope="module")
def small() -> Deck:
    notebook = jupytext.reads(CHAPTER, "py:percent")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.setdefault("outputs", [])
    return chosen(notebook)


def test_sections_become_stacks_and_parts_follow_below(small: Deck) -> None:
    assert [[slide.title for slide in stack] for stack in small.stacks] == [
        ["The chapter", "What you will learn"],
        ["A section", "A part of it"],
        ["Only parts", "This part"],
        ["Exercise. Warm-up: try"],
        ["A question"],
        ["Recap"],
    ]
    assert small.stacks[2][0].text == ["- This part"]


def test_key_sentences_points_and_code(small: Deck) -> None:
    section, part = small.stacks[1]
    assert section.text == [
        "It begins [here](x.ipynb) (Ai et al. 2020). So it does.",
        "- **A point**. It has a reason.",
    ]
    assert section.code is not None
    assert section.code.source.startswith("# Doubles.\ndef double(x):")
    assert part.code is not None
    assert part.code.source == "long_one = 1"  # because of its tag


def test_no_solution_and_no_answer_is_shown(small: Deck) -> None:
    shown = repr(small)
    assert "Try $x^2$." in shown
    assert "- That." in shown
    for hidden in ("trick", "solution", "explanation", "fetches", "Error"):
        assert hidden not in shown


def test_sentences_are_whole_and_lists_keep_their_items() -> None:
    text = "See Wei et al. 2022, e.g. there. Then stop! More of it here."
    assert first_sentences(text, 9) == text.removesuffix(
        " More of it here."
    )
    steps = "1. *Do it.* Now. Or later.\n2. Look."
    assert first_sentences(steps, 9) == "1. *Do it.* Now.\n2. Look."
    assert first_point("**It** is so. Really.") == "**It** is so. Really."
    items = "\n".join(f"- {'word ' * 30}{place}" for place in range(7))
    parts = cut_list(items)
    assert "".join(parts).strip() == items
    assert all(len(part.split()) < 130 for part in parts)


def test_only_small_tables_fit() -> None:
    row = "<tr>" + "<td>1</td>" * 5 + "</tr>"
    assert fits(f"<table>{row * 8}</table>")
    assert not fits(f"<table>{row * 12}</table>")
    assert not fits(f"<table>{row.replace('<td>', '<td><td>') * 3}</table>")


def test_a_high_drawing_is_beside_its_heading() -> None:
    assert is_upright('<svg viewBox="0 0 300 400">')
    assert not is_upright('<svg viewBox="0 0 400 150">')
    assert not is_upright("<table></table>")


# --- the chapters ---------------------------------------------------------


class Text(HTMLParser):
    """The text of a page, with single spaces."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.feed(html)
        self.all = " ".join(" ".join(self.parts).split())

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


@pytest.fixture(scope="module")
def decks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the decks of all chapters."""
    folder: Path = tmp_path_factory.mktemp("decks")
    main(["--output", str(folder)])
    return folder


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_deck_has_sections_figures_exercises_and_no_solution(
    path: Path, decks: Path
) -> None:
    html = (decks / f"{path.stem}.html").read_text("utf-8")
    text = Text(html).all
    notebook = nbformat.read(path, 4)
    source = "\n".join(cell.source for cell in notebook.cells)
    titles = re.findall(r"^```\{exercise\} (.+)", source, re.M)
    assert all(f"Exercise. {title}" in text for title in titles)
    headings = re.findall(r"^## (.+)", source, re.M)
    assert headings[-4:] == [*APART, "Recap", "References"]
    named = [title.replace("`", "") for title in headings[:-4]]
    assert [title for title in named if title not in text] == []
    solved = False
    for cell in notebook.cells:
        for mark in re.findall(r"\{solution-(start|end)\}", cell.source):
            solved = mark == "start"
        for output in cell.get("outputs", []):
            drawn = output.get("data", {}).get("text/html", "")
            if "<svg" in drawn:
                assert (drawn in html) is not solved

    outside, inside = split_lines(notebook)
    given = {line for line in inside - outside if len(line) > 25}
    assert given
    assert {one for one in given if " ".join(one.split()) in text} == set()


def test_index_links_every_deck_and_decks_need_only_their_folder(
    decks: Path,
) -> None:
    index = (decks / "index.html").read_text("utf-8")
    for path in NOTEBOOKS:
        assert f'href="{path.stem}.html"' in index
        html = (decks / f"{path.stem}.html").read_text("utf-8")
        needed = re.findall(
            r'<(?:script|link) [^>]*(?:src|href)="(.+?)"', html
        )
        assert len(needed) >= 5
        assert all((decks / name).is_file() for name in needed)


def overflowing(browser: Any, deck: Path) -> list[tuple[str, float, float]]:
    """Slides of a deck whose content runs over its edge."""
    size = {"width": WIDTH, "height": HEIGHT}
    watched = Watched(browser, viewport=size, offline=True)
    page = watched.page
    page.goto(deck.as_uri(), wait_until="load")
    page.evaluate("async () => await window.MathJax?.startup?.promise")
    slides = page.evaluate(MEASURE)
    page.close()
    assert len(slides) > 15
    assert watched.errors == []
    assert watched.external() == []
    return [one for one in slides if one[1] > WIDTH or one[2] > HEIGHT]


def test_nothing_runs_off_a_slide(decks: Path) -> None:
    with open_browser() as browser:
        assert overflowing(browser, decks / "03_network.html") == []


@pytest.mark.slow
def test_nothing_runs_off_any_slide(decks: Path) -> None:
    with open_browser() as browser:
        for path in NOTEBOOKS:
            deck = decks / f"{path.stem}.html"
            assert overflowing(browser, deck) == [], path.stem
