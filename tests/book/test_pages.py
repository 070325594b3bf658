"""The built book, read as files: links, buttons, words, sizes.

Needs the book (`make book`); without it the tests are skipped and say so,
except in CI, where they fail. tests/test_book.py opens the same pages in a
browser.
"""

from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from scripts.book import HTML, pages
from scripts.move_repository import ROOT, address
from tests.built import elements, need_book

PAGES = pages()
OTHERS = ["404", "genindex", "search"]
LARGEST = 500_000  # bytes of HTML, figures included
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True, scope="module")
def book() -> None:
    need_book()


def page(name: str) -> Path:
    return HTML / f"{name}.html"


# --- links ----------------------------------------------------------------


def broken(name: str) -> list[str]:
    """Links of a page that lead to no file or to no place in it."""
    found = []
    for tag in elements(page(name)).of("a", "link", "script", "img"):
        link = tag.get("href") or tag.get("src") or ""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = page(name)
        if parts.path:
            target = (target.parent / unquote(parts.path)).resolve()
        if not target.is_file() or not target.is_relative_to(HTML):
            found.append(link)
            continue
        place = unquote(parts.fragment)
        if place and place not in elements(target).ids():
            found.append(link)
    return found


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_links_inside_the_book_lead_somewhere(name: str) -> None:
    assert len(elements(page(name)).of("a")) > len(PAGES)
    assert broken(name) == []


def test_previous_and_next_walk_the_contents_in_order() -> None:
    for here, there in pairwise(PAGES):
        for start, end, kind in (
            (here, there, "right-next"),
            (there, here, "left-prev"),
        ):
            [link] = [
                found["href"]
                for found in elements(page(start)).of("a")
                if kind in found.get("class", "").split()
            ]
            assert (page(start).parent / link).resolve() == page(end)
    assert not any(
        "right-next" in found.get("class", "")
        for found in elements(page(PAGES[-1])).of("a")
    )


def test_page_for_missing_addresses_leads_to_every_page() -> None:
    links = {found.get("href") for found in elements(page("404")).of("a")}
    assert links >= {f"{name}.html" for name in PAGES}
    forms = [form["action"] for form in elements(page("404")).of("form")]
    assert set(forms) == {"search.html"}


# --- buttons --------------------------------------------------------------


def buttons(name: str) -> dict[str, str]:
    """The addresses behind a page's buttons, by what they do."""
    links = elements(page(name)).of("a")
    named = {
        found["title"]: found["href"]
        for found in links
        if "title" in found and "dropdown-item" in found.get("class", "")
    }
    assert len(named) > 3
    return named


def source(name: str) -> Path:
    path = ROOT / f"{name}.md"
    return path if path.exists() else ROOT / f"{name}.ipynb"


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
def test_download_button_brings_the_source(name: str) -> None:
    link = buttons(name)["Download source file"]
    file = (page(name).parent / link).resolve()
    assert file.suffix == source(name).suffix
    assert file.read_bytes() == source(name).read_bytes()


@pytest.mark.parametrize("name", PAGES)
def test_launch_buttons_open_the_notebook(name: str) -> None:
    repository = urlsplit(address()).path.strip("/")
    branch = CONFIG["repository"]["branch"]
    launch = CONFIG["launch_buttons"]
    starts = {
        "Launch on Colab": f"{launch['colab_url']}/github/{repository}"
        f"/blob/{branch}/",
        "Launch on Binder": f"{launch['binderhub_url']}/v2/gh/{repository}"
        f"/{branch}?urlpath=tree/",
    }
    shown = buttons(name)
    if source(name).suffix == ".md":
        assert not set(starts) & set(shown)
        return
    for button, start in starts.items():
        assert shown[button].startswith(start)
        assert ROOT / shown[button].removeprefix(start) == source(name)


# --- words for who cannot see, and for who is sent a link -----------------


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_every_figure_has_words(name: str) -> None:
    figures = [
        found
        for found in elements(page(name)).of("svg")
        if found.get("role") == "img"
    ]
    assert [f for f in figures if len(f.get("aria-label", "")) < 15] == []
    # What is no figure with words is an ornament, and says so.
    others = [
        found
        for found in elements(page(name)).of("svg")
        if found.get("role") != "img"
    ]
    assert [f for f in others if f.get("aria-hidden") != "true"] == []
    images = elements(page(name)).of("img")
    assert [i for i in images if not i.get("alt", "").strip()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_header_of_a_table_says_what_it_heads(name: str) -> None:
    headers = elements(page(name)).of("th")
    scopes = {found.get("scope") for found in headers}
    assert scopes <= {"col", "row"}
    assert bool(headers) == ("<table" in page(name).read_text())


@pytest.mark.parametrize("name", PAGES)
def test_a_posted_link_shows_what_the_page_is(name: str) -> None:
    metas = elements(page(name)).of("meta")
    shown = {m["property"]: m["content"] for m in metas if "property" in m}
    assert shown["og:site_name"] == CONFIG["title"]
    kind = "website" if name == PAGES[0] else "article"
    assert shown["og:type"] == kind
    assert shown["og:title"] in page(name).read_text().split("<h1>", 1)[1]
    assert 40 <= len(shown["og:description"]) <= 210
    [described] = [m for m in metas if m.get("name") == "description"]
    assert described["content"] == shown["og:description"]
    # An address of its own only where the book knows that it has one.
    assert ("og:image" in shown) is bool(CONFIG["html"]["baseurl"])


# --- weight ---------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_page_is_light(name: str) -> None:
    assert page(name).stat().st_size < LARGEST
