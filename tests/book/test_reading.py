"""What the book's extensions do for a reader, without building the book."""

import re
from pathlib import Path
from typing import Any

import accessibility
import feedback
import pytest
from docutils import nodes
from docutils.utils import new_document
from glossary_links import OTHERS, link_terms

from scripts.book import HTML, pages
from tests.book.test_site import build
from tests.browser import Watched
from tests.built import Elements, elements, need_book

CHAPTERS = [name for name in pages() if name.startswith("notebooks/")]
# The other pages of prose, without those that hardly need a term.
PAGES_WITH_TERMS = [
    name
    for name in pages()
    if name.startswith("book/")
    and not name.startswith(OTHERS)
    and name not in ("book/setup", "book/teaching-assistant")
]

# --- tables ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "below", "merged"),
    [
        (["", "n"], ["run", ""], ["run", "n"]),
        (
            ["valid", "no", "yes"],
            ["right", "", ""],
            ["right / valid", "no"],
        ),
        (["", "", "n"], ["a", "b", ""], ["a", "b", "n"]),
    ],
)
def test_name_of_an_index_is_in_the_one_row_of_headers(
    above: list[str], below: list[str], merged: list[str]
) -> None:
    rows = [
        "".join(f"<th>{cell}</th>" for cell in row)
        for row in (above, below)
    ]
    head = "".join(f"<tr>{row}</tr>" for row in rows)
    table = f"<table><thead>{head}</thead><tbody></tbody></table>"
    found = accessibility.merge_names(table)
    assert found.count("<tr>") == 1
    assert re.findall(r"<th>(.*?)</th>", found)[: len(merged)] == merged


def test_other_headers_stay_and_missing_numbers_are_dashes() -> None:
    two = "<tr><th>a</th><th>b</th></tr>"
    table = f"<table><thead>{two}{two}</thead></table>"
    assert accessibility.merge_names(table) == table
    cells = "<table><tbody><tr><td>NaN</td></tr></tbody></table>"
    assert "<td>\u2013</td>" in accessibility.add_scopes(cells)


# --- exercises ------------------------------------------------------------

EXERCISE = """
.. exercise::
   :label: ex-one

   How many?

.. solution:: ex-one
   :class: dropdown

   Two.
"""


def test_solution_is_named_and_opens_without_scripts(
    tmp_path: Path,
) -> None:
    source = f"Title\n=====\n{EXERCISE}"
    build(tmp_path, source, extensions=["sphinx_exercise", "exercises"])
    html = (tmp_path / "out" / "index.html").read_text()
    [solution] = re.findall(
        r"<details class=\"solution.*?</details>", html, re.DOTALL
    )
    [summary] = re.findall(r"<summary.*?</summary>", solution, re.DOTALL)
    words = " ".join(re.sub("<[^>]+>", "", summary).split())
    assert words.startswith("Solution to Exercise 1")
    assert "<a" not in summary
    assert "Two." in solution
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", CHAPTERS)
def test_checks_of_exercises_are_folded(name: str) -> None:
    need_book()
    html = (HTML / f"{name}.html").read_text(encoding="utf-8")
    checks = html.count('<details class="check">')
    assert checks == html.count("tag_exercise")
    assert "Not yet:" not in re.sub("<[^>]*>", "", html)


# --- words ----------------------------------------------------------------


def test_per_cent_signs_keep_their_number(tmp_path: Path) -> None:
    source = "About 5 % and ``n = 5 % 3``.\n"
    build(tmp_path, source, extensions=["typography"])
    html = (tmp_path / "out" / "index.html").read_text()
    assert "About 5\u00a0% and" in html
    assert "5 %" in re.sub("<[^>]*>", "", html)


TERMS = {
    "kv cache": ("term-KV-cache", "Keys and values."),
    "cache": ("term-cache", "What is kept."),
    "token": ("term-token", "A piece of text."),
}


def test_terms_are_linked_once_and_not_in_code_or_links() -> None:
    document: Any = new_document("a page")
    words = "Tokens fill a KV cache; a token is no tokenizer."
    document += nodes.title("", "A cache")
    document += nodes.paragraph("", "", nodes.literal("", "cache"))
    document += nodes.paragraph("", words)
    link_terms(document, TERMS, "glossary.html")
    links = {
        one.astext(): (one["refuri"], one["reftitle"])
        for one in document.findall(nodes.reference)
    }
    assert links == {
        "Tokens": ("glossary.html#term-token", "A piece of text."),
        "KV cache": ("glossary.html#term-KV-cache", "Keys and values."),
    }
    assert document[-1].astext() == words


def test_ordinary_words_are_linked_in_italics_alone() -> None:
    document: Any = new_document("a page")
    document += nodes.paragraph("", "This page is short.")
    document += nodes.paragraph("", "", nodes.emphasis("", "pages"))
    link_terms(document, {"page": ("term-page", "A piece.")}, "glossary")
    [found] = document.findall(nodes.reference)
    assert found.astext() == "pages"


def test_all_pages_of_prose_are_linked_to_the_glossary(
    tmp_path: Path,
) -> None:
    glossary = ".. glossary::\n\n   token\n     A piece of text.\n"
    for name in ("notebooks/1", "book/intro", "book/reference-cli"):
        path = tmp_path / f"{name}.rst"
        path.parent.mkdir(exist_ok=True)
        path.write_text(":orphan:\n\nOne token, another token.\n")
    (tmp_path / "book/glossary.rst").write_text(f":orphan:\n\n{glossary}")
    build(tmp_path, "Title\n=====\n", extensions=["glossary_links"])
    links = {
        path.stem: path.read_text().count("glossary.html#term-token")
        for path in (tmp_path / "out").glob("*/*.html")
    }
    assert links["1"] == links["intro"] == 1
    assert links["reference-cli"] == links["glossary"] == 0


def glossary_links(name: str) -> list[str]:
    need_book()
    return [
        link["href"]
        for link in elements(name).of("a")
        if "term" in link.get("class", "").split()
    ]


@pytest.mark.parametrize("name", pages())
def test_page_links_terms_to_the_glossary_once(name: str) -> None:
    links = glossary_links(name)
    assert len(links) == len(set(links))
    anchors = elements("book/glossary").ids()
    assert {link.partition("#")[2] for link in links} <= anchors


@pytest.mark.parametrize("name", [*CHAPTERS, *PAGES_WITH_TERMS])
def test_page_with_terms_links_several(name: str) -> None:
    assert len(glossary_links(name)) >= 5


# --- feedback and landing page --------------------------------------------


def test_link_for_feedback_names_the_page() -> None:
    page = (
        '<a href="https://x.org/a/issues/new?title=Issue%20on%20page%20'
        '%2Fbook/setup.html&body=b"></a><footer class="prev-next-footer">'
    )
    once = feedback.add_link(page)
    [found] = [
        link["href"]
        for link in Elements(once).of("a")
        if "Page" in link["href"]
    ]
    assert found.startswith("https://x.org/a/issues/new?title=Page+book%2F")
    assert feedback.add_link(once) == once


@pytest.mark.parametrize("name", pages())
def test_every_page_asks_for_feedback(name: str) -> None:
    need_book()
    html = (HTML / f"{name}.html").read_text(encoding="utf-8")
    assert html.count('<p class="feedback') == 1


def test_landing_page_has_one_start_and_one_question() -> None:
    need_book()
    buttons = [
        link["href"]
        for link in elements("book/intro").of("a")
        if "sd-btn" in link.get("class", "")
    ]
    assert buttons == ["../notebooks/01_task.html", "#ask-the-model"]
    assert "ask-the-model" in elements("book/intro").ids()


# --- keyboard -------------------------------------------------------------


def test_link_into_a_solution_opens_it(book_browser: Any) -> None:
    watched = Watched(book_browser)
    name = CHAPTERS[2]
    watched.open(name)
    solutions = watched.page.locator("details.solution")
    target = solutions.nth(1)
    anchor = target.get_attribute("id")
    assert not target.evaluate("e => e.open")
    watched.page.goto("about:blank")
    watched.page.goto(f"{(HTML / f'{name}.html').as_uri()}#{anchor}")
    target = watched.page.locator("details.solution").nth(1)
    assert target.evaluate("e => e.open")
    assert watched.page.locator("details.solution[open]").count() == 1
    assert watched.errors == []
    watched.page.close()


FOCUS = """() => {
  const style = getComputedStyle(document.activeElement);
  return [style.outlineStyle, parseFloat(style.outlineWidth)];
}"""


def test_every_button_shows_the_focus(book_browser: Any) -> None:
    watched = Watched(book_browser)
    page = watched.open(CHAPTERS[0])
    buttons = page.locator(
        ".bd-header-article button:visible, details > summary:visible,"
        " .feedback a:visible"
    )
    assert buttons.count() > 8
    page.keyboard.press("Tab")  # from now on, focus is the keyboard's
    for button in buttons.all():
        button.focus()
        style, width = page.evaluate(FOCUS)
        assert (style, width) == ("solid", 3)
    page.close()
