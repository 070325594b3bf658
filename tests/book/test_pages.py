"""The built book, read as files: links, buttons, text alternatives, sizes.

Needs the book (`make book`); without it the tests are skipped and say so,
except in CI, where they fail. test_book.py opens the same pages in a
browser.
"""

import re
from pathlib import Path
from pkgutil import walk_packages
from urllib.parse import unquote, urlsplit

import pytest

import unitconv
from scripts.book import HTML, pages, read_yaml
from scripts.move_repository import ROOT, address
from tests.built import elements, need_book

PAGES = pages()
OTHERS = ["genindex", "search"]
LARGEST = 500_000  # bytes of HTML, figures included
CONFIG = read_yaml("_config.yml")


@pytest.fixture(autouse=True, scope="module")
def book() -> None:
    need_book()


def page(name: str) -> Path:
    return HTML / f"{name}.html"


# --- links ----------------------------------------------------------------


def broken_links(name: str) -> list[str]:
    """Links of a page that lead to no file or to no place in it."""
    broken = []
    for tag in elements(name).of("a", "link", "script", "img"):
        link = tag.get("href") or tag.get("src") or ""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = page(name)
        if parts.path:
            target = (target.parent / unquote(parts.path)).resolve()
        if not target.is_file() or not target.is_relative_to(HTML):
            broken.append(link)
            continue
        place = unquote(parts.fragment)
        if place and target.suffix == ".html":
            there = target.relative_to(HTML).with_suffix("").as_posix()
            if place not in elements(there).ids():
                broken.append(link)
    return broken


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_links_inside_the_book_lead_somewhere(name: str) -> None:
    assert len(elements(name).of("a")) > len(PAGES)
    assert broken_links(name) == []


def test_reference_documents_every_public_module() -> None:
    anchors = set()
    for name in PAGES:
        if name.startswith("book/reference"):
            anchors |= elements(name).ids()
    modules = walk_packages(unitconv.__path__, "unitconv.")
    expected = {
        f"module-{module.name}"
        for module in modules
        # The page of commands shows what the command line can do.
        if not re.search(r"\b_|unitconv\.cli", module.name)
    }
    assert expected <= anchors


def test_bibliography_holds_every_work_of_the_chapters() -> None:
    """No chapter links to a paper that the bibliography does not have."""
    papers = re.compile(r"https://(?:arxiv\.org/abs|doi\.org)/[^\"#]+")
    listed = papers.findall(page("book/bibliography").read_text())
    chapters = [name for name in PAGES if name.startswith("notebooks/")]
    cited = {
        link
        for name in chapters
        for link in papers.findall(page(name).read_text())
    }
    assert len(listed) > 40
    assert cited <= set(listed)
    assert len(listed) == len(set(listed)), "a work that is listed twice"


# --- buttons --------------------------------------------------------------


def buttons(name: str) -> dict[str, str]:
    """The addresses behind a page's buttons, by what they do."""
    links = elements(name).of("a")
    named = {
        link["title"]: link["href"]
        for link in links
        if "title" in link and "dropdown-item" in link.get("class", "")
    }
    assert len(named) > 3
    return named


@pytest.mark.parametrize("name", PAGES)
def test_edit_button_opens_the_text_behind_the_page(name: str) -> None:
    branch = CONFIG["repository"]["branch"]
    start = f"{address()}/edit/{branch}/"
    url = buttons(name)["Suggest edit"]
    assert url.startswith(start)
    edited = ROOT / url.removeprefix(start)
    assert edited.with_suffix("") == ROOT / name
    assert edited.suffix in (".md", ".py")  # nobody edits a notebook's JSON
    assert edited.exists()


@pytest.mark.parametrize("name", PAGES)
def test_launch_buttons_open_the_notebook(name: str) -> None:
    repository = urlsplit(address()).path
    branch = CONFIG["repository"]["branch"]
    launched = {
        title: url
        for title, url in buttons(name).items()
        if title.startswith("Launch on")
    }
    if not name.startswith("notebooks/"):
        assert launched == {}
        return
    assert set(launched) == {"Launch on Colab", "Launch on Binder"}
    for url in launched.values():
        assert repository in url
        assert f"/{branch}" in url
        assert url.endswith(f"/{name}.ipynb")


# --- text alternatives and metadata ---------------------------------------


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_figures_have_text_and_table_headers_a_scope(name: str) -> None:
    drawings = elements(name).of("svg")
    figures = [svg for svg in drawings if svg.get("role") == "img"]
    assert all(len(svg.get("aria-label", "")) >= 15 for svg in figures)
    # All others are ornaments, hidden from screen readers.
    others = [svg for svg in drawings if svg.get("role") != "img"]
    assert {svg.get("aria-hidden") for svg in others} <= {"true"}
    images = elements(name).of("img")
    assert all(image.get("alt", "").strip() for image in images)
    scopes = {header.get("scope") for header in elements(name).of("th")}
    assert scopes <= {"col", "row"}


@pytest.mark.parametrize("name", PAGES)
def test_open_graph_describes_the_page(name: str) -> None:
    metas = elements(name).of("meta")
    shown = {m["property"]: m["content"] for m in metas if "property" in m}
    assert shown["og:site_name"] == CONFIG["title"]
    title = re.sub(r"^\d+\. ", "", shown["og:title"])
    assert f"<h1>{title}<" in page(name).read_text()
    assert 40 <= len(shown["og:description"]) <= 210
    # An address of its own only where the book knows that it has one.
    published = bool(CONFIG["html"]["baseurl"])
    assert ("og:image" in shown) is ("og:url" in shown) is published


# --- weight ---------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_page_is_light(name: str) -> None:
    assert page(name).stat().st_size < LARGEST
