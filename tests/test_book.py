"""The built book, opened from disk in a real browser.

Needs the book (`make book`) and Chromium or Chrome; where one is missing
the tests are skipped and say so, except in CI, where they fail.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tools.contents import pages

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


PAGES = pages()


def missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and in CI these tests have to run")
    pytest.skip(what)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not (HTML / "index.html").exists():
        missing("no built book here (run `make book`)")
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        missing("no Chromium or Chrome on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found[0], args=FLAGS
        )
        yield chromium
        chromium.close()


class Watched:
    """A page, with what it asked for and what it complained about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on(
            "request", lambda request: self.requests.append(request.url)
        )
        page.on("requestfailed", lambda r: self.errors.append(r.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self.note)

    def note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, name: str, query: str = "") -> Any:
        uri = (HTML / f"{name}.html").as_uri()
        self.page.goto(uri + query, wait_until="load")
        # Scripts that load further scripts have had their turn.
        self.page.wait_for_load_state("networkidle")
        return self.page

    def elsewhere(self) -> list[str]:
        ours = ("file:", "data:", "blob:")
        return [url for url in self.requests if not url.startswith(ours)]


@pytest.fixture
def desktop(browser: Any) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Watched(page)
    page.close()


@pytest.fixture
def phone(browser: Any) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    yield Watched(page)
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_from_disk_alone_and_without_error(
    desktop: Watched, name: str
) -> None:
    page = desktop.open(name)
    assert page.locator("article h1").count() == 1
    assert len(desktop.requests) > 5, "nothing was watched"
    assert desktop.elsewhere() == []
    assert desktop.errors == []


@pytest.mark.parametrize("name", PAGES)
def test_phone_has_no_horizontal_scroll(phone: Watched, name: str) -> None:
    page = phone.open(name)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, page.evaluate(
        """() => [...document.querySelectorAll('article *')]
            .filter(e => e.getBoundingClientRect().right > 390)
            .slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
    )


@pytest.mark.parametrize("name", PAGES)
def test_images_are_there_and_described(
    desktop: Watched, name: str
) -> None:
    page = desktop.open(name)
    broken = page.evaluate(
        """() => [...document.images]
            .filter(i => i.complete && i.naturalWidth === 0)
            .map(i => i.src)"""
    )
    undescribed = page.evaluate(
        """() => [...document.querySelectorAll('img:not([alt])')]
            .map(i => i.src)"""
    )
    assert broken == []
    assert undescribed == []


def test_index_leads_to_the_first_page(desktop: Watched) -> None:
    page = desktop.open("index")
    page.wait_for_url(f"**/{PAGES[0]}.html")
    assert page.locator("article h1").count() == 1


def test_search_finds_a_word(desktop: Watched) -> None:
    page = desktop.open("search", "?q=tolerance")
    hits = page.locator("#search-results ul.search li a")
    hits.first.wait_for(timeout=10_000)
    links = hits.evaluate_all("links => links.map(link => link.href)")
    assert any("book/how-to-use.html" in link for link in links)
    assert desktop.elsewhere() == []


def test_theme_toggles_between_light_and_dark(desktop: Watched) -> None:
    page = desktop.open(PAGES[0])
    button = page.locator("button.theme-switch-button:visible").first
    background = "getComputedStyle(document.body).backgroundColor"
    seen = set()
    for _ in range(3):  # light, dark, and whatever the system prefers
        button.click()
        theme = page.evaluate("document.documentElement.dataset.theme")
        seen.add((theme, page.evaluate(background)))
    assert {theme for theme, _ in seen} == {"light", "dark"}
    assert len({color for _, color in seen}) == 2


def test_math_is_drawn_with_our_own_mathjax(desktop: Watched) -> None:
    formulas = {
        name: (HTML / f"{name}.html").read_text().count('class="math')
        for name in PAGES
    }
    name = max(PAGES, key=lambda page: formulas[page])
    assert formulas[name] > 0, "no page has a formula"
    page = desktop.open(name)
    page.locator("mjx-container").first.wait_for(timeout=10_000)
    assert page.locator("mjx-container").count() >= formulas[name]
    assert page.locator("mjx-merror").count() == 0
    fonts = [url for url in desktop.requests if url.endswith(".woff")]
    assert any("_static/mathjax/" in url for url in fonts)
