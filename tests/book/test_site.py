"""The book's own Sphinx extensions, without building the book."""

import json
import struct
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accessibility as accessible_html
import edit_button
import figure_role as book_figures
import open_graph
import pytest
from docutils import nodes
from sphinx.application import Sphinx

from scripts.move_repository import ROOT

CARD = ROOT / "book" / "_static" / "images" / "card.png"


# --- tables ---------------------------------------------------------------

PANDAS = (
    "<table><thead>\n<tr><th></th> <th>n</th></tr>"
    "<tr><th>run</th> <th></th></tr></thead>"
    '<tbody><tr><th rowspan="2">a</th><td>1</td></tr></tbody></table>'
)
DOCUTILS = (
    '<table><thead><tr><th class="head"><p></p></th>'
    '<th class="head"><p>n</p></th></tr></thead></table>'
)


def test_headers_of_a_table_say_what_they_head() -> None:
    assert accessible_html.scoped(PANDAS) == (
        '<table><thead>\n<tr><td></td> <th scope="col">n</th></tr>'
        '<tr><th scope="col">run</th> <td></td></tr></thead>'
        '<tbody><tr><th scope="row" rowspan="2">a</th><td>1</td></tr>'
        "</tbody></table>"
    )
    assert accessible_html.scoped(DOCUTILS) == (
        "<table><thead><tr><td></td>"
        '<th scope="col" class="head"><p>n</p></th></tr></thead></table>'
    )


def test_parameters_of_a_signature_are_a_list() -> None:
    written = '<dt class="sig">f(<dl>\n<dd>a,</dd>\n</dl>\n)</dt>'
    assert accessible_html.listed(written) == (
        '<dt class="sig">f(<ul>\n<li>a,</li>\n</ul>\n)</dt>'
    )


@pytest.mark.parametrize("table", [PANDAS, DOCUTILS])
def test_what_is_said_once_is_not_said_twice(table: str) -> None:
    once = accessible_html.scoped(table)
    assert accessible_html.scoped(once) == once


# --- what a posted link shows ---------------------------------------------


def app(baseurl: str = "") -> Any:
    config = SimpleNamespace(
        root_doc="intro", html_title="The book", html_baseurl=baseurl
    )
    return SimpleNamespace(config=config)


def test_without_an_address_no_picture_is_promised() -> None:
    found = open_graph.tags(app(), "a/page", "A page", "Words.")
    assert found == {
        "title": "A page",
        "description": "Words.",
        "type": "article",
        "site_name": "The book",
    }


@pytest.mark.parametrize("slash", ["", "/"])
def test_with_an_address_picture_and_page_are_absolute(slash: str) -> None:
    site = "https://example.org/course"
    found = open_graph.tags(app(site + slash), "intro", "T", "Words.")
    assert found["type"] == "website"
    assert found["url"] == f"{site}/intro.html"
    assert found["image"] == f"{site}/_static/images/card.png"


def test_the_picture_has_the_size_that_is_shown() -> None:
    header = CARD.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert struct.unpack(">II", header[16:24]) == (1200, 630)


def test_description_is_the_first_paragraph_of_the_text() -> None:
    document = nodes.document("", "")
    section = nodes.section()
    section += nodes.title(text="Title")
    section += nodes.note("", nodes.paragraph(text="In a box."))
    section += nodes.paragraph(text="First\nwords.")
    section += nodes.paragraph(text="More words.")
    document += section
    assert open_graph.description(document) == "First words."
    assert open_graph.description(nodes.document("", "")) == ""


def test_long_descriptions_end_between_sentences_or_words() -> None:
    sentences = "One sentence here. " * 20
    found = open_graph.shortened(sentences.strip())
    assert found.endswith("here.")
    assert 150 < len(found) <= open_graph.LENGTH
    found = open_graph.shortened("word " * 100)
    assert found.endswith("word ...")
    assert 150 < len(found) <= open_graph.LENGTH + 4


# --- buttons, figures -----------------------------------------------------


@pytest.mark.parametrize(
    ("url", "edited"),
    [
        (
            "https://x/edit/main/n/01_a.ipynb",
            "https://x/edit/main/n/01_a.py",
        ),
        ("https://x/edit/main/book/a.md", "https://x/edit/main/book/a.md"),
    ],
)
def test_edit_button_avoids_notebooks(url: str, edited: str) -> None:
    edit = {"label": "source-edit-button", "url": url}
    download = {"label": "download-source-button", "url": url}
    groups = [{"buttons": [edit, download]}, {"label": "fullscreen"}]
    edit_button.edit_the_script(
        app(), "page", "page.html", {"header_buttons": groups}, None
    )
    assert (edit["url"], download["url"]) == (edited, url)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", sorted(book_figures.FIGURES))
def test_figures_of_the_pages_are_drawn(name: str, narrow: bool) -> None:
    drawn = book_figures.FIGURES[name](narrow)
    assert drawn.svg.count('role="img"') == 1
    assert len(drawn.alt) > 60


def test_figure_of_the_stages_shows_what_is_recorded() -> None:
    record = ROOT / "unitconv" / "evaluation" / "results" / "stages.json"
    seed = json.loads(record.read_text())["seeds"]["seed-0"]
    alt = book_figures.stage_rates().alt
    for stage, name in book_figures.STAGES.items():
        accuracy = seed["rates"]["test"][stage]["accuracy"]
        assert f"{name} right in {accuracy:.2f} of all" in alt


def test_figure_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text('extensions = ["figure_role"]')
    (tmp_path / "index.rst").write_text(".. picture:: no-such-figure\n")
    said = StringIO()
    Sphinx(
        tmp_path,
        tmp_path,
        tmp_path / "out",
        tmp_path / "trees",
        "html",
        status=None,
        warning=said,
    ).build()
    assert "no figure 'no-such-figure'" in said.getvalue()
    assert "course-loop, stage-rates" in said.getvalue()


def test_first_page_may_ask_why_bare_answers_fall_behind() -> None:
    record = ROOT / "unitconv" / "evaluation" / "results" / "stages.json"
    rates = json.loads(record.read_text())["seeds"]["seed-0"]["rates"]
    shown, bare = rates["test"]["cot"], rates["test"]["sft"]
    assert bare["accuracy_ci95"][1] < shown["accuracy_ci95"][0]
