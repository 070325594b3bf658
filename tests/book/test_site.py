"""The book's own Sphinx extensions, without building the book."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import accessibility
import figures
import live_rollouts
import live_widgets
import pytest
from sphinx.application import Sphinx

from scripts.move_repository import ROOT
from tests.built import Elements

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


def test_headers_of_a_table_get_a_scope() -> None:
    assert accessibility.add_scopes(PANDAS) == (
        '<table><thead><tr><th scope="col">run</th>'
        '<th scope="col">n</th></tr></thead>'
        '<tbody><tr><th scope="row" rowspan="2">a</th><td>1</td></tr>'
        "</tbody></table>"
    )
    assert accessibility.add_scopes(DOCUTILS) == (
        "<table><thead><tr><td></td>"
        '<th scope="col" class="head"><p>n</p></th></tr></thead></table>'
    )


def test_parameters_of_a_signature_are_a_list() -> None:
    written = '<dt class="sig">f(<dl>\n<dd>a,</dd>\n</dl>\n)</dt>'
    assert accessibility.list_parameters(written) == (
        '<dt class="sig">f(<ul>\n<li>a,</li>\n</ul>\n)</dt>'
    )


# --- figures --------------------------------------------------------------


def test_figure_of_the_stages_shows_what_is_recorded() -> None:
    record = ROOT / "unitconv" / "evaluation" / "results" / "stages.json"
    seed = json.loads(record.read_text())["seeds"]["seed-0"]
    alt = figures.stage_rates().alt
    for stage, name in figures.STAGES.items():
        accuracy = seed["rates"]["test"][stage]["accuracy"]
        assert f"{name} right in {accuracy:.2f} of all" in alt


def build(folder: Path, source: str, **config: Any) -> str:
    """Build a page with Sphinx; return what Sphinx complains about."""
    (folder / "conf.py").write_text("")
    (folder / "index.rst").write_text(source)
    warnings = StringIO()
    Sphinx(
        srcdir=folder,
        confdir=folder,
        outdir=folder / "out",
        doctreedir=folder / "trees",
        buildername="html",
        confoverrides=config,
        status=None,
        warning=warnings,
    ).build()
    return warnings.getvalue()


def test_figure_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    source = ".. picture:: no-such-figure\n"
    warnings = build(tmp_path, source, extensions=["figures"])
    assert "no such figure" in warnings
    assert "['course-loop', 'stage-rates']" in warnings


# --- widgets --------------------------------------------------------------


def test_question_that_is_not_recorded_is_refused(tmp_path: Path) -> None:
    source = ".. ask-model:: How many sheep are in 6 kg?\n"
    warnings = build(tmp_path, source, extensions=["live_widgets"])
    assert "no question of the shipped rollouts" in warnings


def test_scripts_of_a_widget_are_on_its_page_alone(tmp_path: Path) -> None:
    (tmp_path / "other.rst").write_text(":orphan:\n\nSome words.\n")
    question = "How many gallons are in 6 quarts?"
    source = f".. ask-model:: {question}\n"
    build(tmp_path, source, extensions=["live_widgets"])
    names = [*live_widgets.SCRIPTS, *live_widgets.STYLES]
    page = (tmp_path / "out" / "index.html").read_text()
    assert all(f"_static/{name}" in page for name in names)
    assert page.count(question) == 2  # in the field, and above the reply
    other = (tmp_path / "out" / "other.html").read_text()
    assert not any(name in other for name in names)


def test_figure_of_a_chapter_has_its_caption_and_scripts(
    tmp_path: Path,
) -> None:
    source = ".. live-rollouts:: pints in 461 gallon?\n\n   Look & see.\n"
    build(tmp_path, source, extensions=["live_rollouts"])
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<figcaption>Look &amp; see.</figcaption>" in page
    for name in ("live_figure.js", "rollouts.js", "live_figure.css"):
        assert f"_static/live/widgets/{name}" in page
    recorded = live_rollouts.rollouts("pints in 461 gallon?")
    assert "10 replies, 4 kept, 2\ntrained on" in recorded


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("live-rollouts:: How many sheep?", "no question of the shipped"),
        ("live-rl:: 302 ounces in sheep", "no question of the shipped"),
        ("live-slots:: 17", "between 1 and 16"),
        ("live-slots:: many", "invalid literal"),
        ("live-padding:: 2 h in min|", "a text is empty"),
        ("live-exercise-price:: ten 5", "invalid literal"),
    ],
)
def test_figure_that_cannot_be_drawn_is_refused(
    tmp_path: Path, source: str, message: str
) -> None:
    names = ["live_rollouts", "live_rl", "live_slots", "live_padding"]
    names += ["live_exercise"]
    assert message in build(tmp_path, f".. {source}\n", extensions=names)


# --- the address of the book ----------------------------------------------


@pytest.mark.parametrize(
    ("baseurl", "image", "root"),
    [
        ("", None, "/"),
        ("https://x.org/a", "https://x.org/a/card.png", "/a/"),
        ("https://x.org/a/", "https://x.org/a/card.png", "/a/"),
    ],
)
def test_addresses_follow_from_the_base_url(
    tmp_path: Path, baseurl: str, image: str | None, root: str
) -> None:
    build(
        tmp_path,
        "Title\n=====\n\nSome words.\n",
        extensions=["offline", "sphinxext.opengraph", "notfound.extension"],
        html_baseurl=baseurl,
        ogp_image="card.png",
        ogp_social_cards={"enable": False},
    )
    index = Elements((tmp_path / "out" / "index.html").read_text())
    shown = {m.get("property"): m["content"] for m in index.of("meta")[2:]}
    assert shown.get("og:image") == image
    assert ("og:url" in shown) is bool(baseurl)
    lost = Elements((tmp_path / "out" / "404.html").read_text())
    styles = [link["href"] for link in lost.of("link") if "href" in link]
    assert any(link.startswith(f"{root}_static/") for link in styles)


def test_first_page_may_ask_why_bare_answers_fall_behind() -> None:
    record = ROOT / "unitconv" / "evaluation" / "results" / "stages.json"
    rates = json.loads(record.read_text())["seeds"]["seed-0"]["rates"]
    shown, bare = rates["test"]["cot"], rates["test"]["sft"]
    assert bare["accuracy_ci95"][1] < shown["accuracy_ci95"][0]
