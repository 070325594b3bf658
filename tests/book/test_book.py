"""The built book, opened from disk in a real browser.

Needs the book (`make book`) and Chromium or Chrome; where one is missing
the tests are skipped and say so, except in CI, where they fail. Each page
is loaded once; `pytest -n 2` shares the pages out.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from figures import FIGURES

from scripts import print_pdf as pdf
from scripts.book import HTML, pages
from tests.browser import DESKTOP, PHONE, Watched
from tests.built import elements
from tests.figures.shown import unreadable

PAGES = pages()


@pytest.fixture
def desktop(book_browser: Any) -> Iterator[Watched]:
    watched = Watched(book_browser)
    yield watched
    watched.page.close()


# --- every page -----------------------------------------------------------

MATH = """async () => {
  await window.MathJax?.startup?.promise;
  const all = [...document.querySelectorAll('.math')];
  const has = (e, what) => e.querySelector(what) !== null;
  return {
    formulas: all.length,
    raw: all.filter(e => !has(e, 'mjx-container')).map(e => e.outerHTML),
    wrong: all.filter(e => has(e, 'mjx-merror')).map(e => e.outerHTML),
  };
}"""
BROKEN_IMAGES = """() => [...document.images]
  .filter(i => i.complete && i.naturalWidth === 0).map(i => i.src)"""
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
  : [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth)
    .slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
NAVIGATION = """.bd-sidebar-primary, .bd-sidebar-secondary,
  .bd-footer-content, .bd-header-article, .prev-next-footer,
  .headerlink, .copybtn, .toggle-button, .search-button__wrapper,
  #pst-back-to-top"""
VISIBLE = """selector => [...document.querySelectorAll(selector)]
  .filter(e => e.checkVisibility() && e.getClientRects().length)
  .map(e => e.outerHTML.slice(0, 120))"""
# What unfolds would fade in, and be judged while it is still pale.
AT_ONCE = "* { animation: none !important; transition: none !important }"
# Opens everything, and keeps one of what axe would judge again and again:
# the same kind of token in code and signatures. Axe cannot judge letters in
# a figure; `unreadable` does.
PREPARE = """() => {
  document.querySelectorAll('details').forEach(d => { d.open = true });
  const kinds = new Set(), again = [];
  for (const token of document.querySelectorAll(
      'pre span[class], dt.sig :is(span, em)[class]')) {
    const around = token.closest('.cell_output, .cell_input, dt.sig');
    const kind = [token.className, getComputedStyle(token).color,
                  token.closest('div, dt').className, around?.className];
    if (kinds.has(kind.join())) again.push(token);
    kinds.add(kind.join());
  }
  for (const token of again) token.replaceWith(...token.childNodes);
  document.querySelectorAll('svg[role=img]')
    .forEach(svg => svg.replaceChildren());
  document.body.normalize();
}"""
# No preload: axe would read the style sheets again, which a file must not.
ASK_AXE = """rules => axe.run({
  resultTypes: ['violations'], preload: false,
  ...(rules.length ? {runOnly: {type: 'rule', values: rules}} : {}),
}).then(report => report.violations.flatMap(rule => rule.nodes.map(node =>
  `${rule.id}: ${node.target} ${node.html.slice(0, 120)}`)))"""
# The rules whose outcome can depend on the theme or on the width.
STYLE_RULES = [
    "color-contrast",
    "link-in-text-block",
    "scrollable-region-focusable",
    "target-size",
]


def violations(page: Any) -> list[str]:
    """Ask axe about a page: light on a desktop, then dark on a phone."""
    page.evaluate(AXE_SCRIPT)
    page.add_style_tag(content=AT_ONCE)
    page.evaluate(PREPARE)
    page.wait_for_timeout(100)  # for the size of what was folded
    violations: list[str] = page.evaluate(ASK_AXE, [])
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(400)  # the theme waits 300 ms after a resize
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    violations += page.evaluate(TOO_WIDE)
    return violations + page.evaluate(ASK_AXE, STYLE_RULES)


@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_page_is_offline_accessible_and_printable(
    desktop: Watched, name: str
) -> None:
    page = desktop.open(name)
    math = page.evaluate(MATH)
    assert page.locator("h1:visible").count() == 1
    assert page.evaluate(BROKEN_IMAGES) == []

    classes = [a.get("class", "") for _, a in elements(name).all]
    formulas = sum("math" in value.split() for value in classes)
    assert math == {"formulas": formulas, "raw": [], "wrong": []}

    assert page.evaluate(VISIBLE, NAVIGATION), "nothing to hide on paper"
    page.emulate_media(media="print")
    assert name == "search" or page.evaluate(VISIBLE, NAVIGATION) == []
    page.emulate_media(media="screen")

    assert violations(page) == []
    assert len(desktop.requests) > 5, "nothing was watched"
    assert desktop.external() == []
    assert desktop.errors == []
    fonts = [url for url in desktop.requests if ".woff" in url]
    local = any("_static/mathjax/" in url for url in fonts)
    assert local is (formulas > 0)


@pytest.mark.parametrize("name", PAGES)
def test_letters_in_figures_are_legible_on_a_phone(
    desktop: Watched, name: str
) -> None:
    page = desktop.open(name)
    page.set_viewport_size(PHONE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(400)
        assert unreadable(page) == []


# --- what a reader does ---------------------------------------------------


def test_search_finds_a_word_of_a_chapter(desktop: Watched) -> None:
    page = desktop.open("search", "?q=padding")
    hits = page.locator("#search-results ul.search li a")
    hits.first.wait_for(timeout=10_000)
    page.locator("#search-results .search-summary").wait_for()
    links = hits.evaluate_all("links => links.map(link => link.href)")
    assert any("notebooks/05_batched.html" in link for link in links)
    assert len(links) < len(PAGES), "a search that finds everything"
    assert desktop.external() == []


def page_with(text: str) -> str:
    """Find the first page whose file holds this text."""
    names = (n for n in PAGES if text in (HTML / f"{n}.html").read_text())
    name = next(names, None)
    assert name is not None, f"no page has {text}"
    return name


def test_first_page_shows_each_figure_once_at_any_width(
    desktop: Watched,
) -> None:
    page = desktop.open("book/intro")
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        # A hidden figure has no role, and is not read out.
        images = page.locator(".picture").get_by_role("img")
        labels = {one.get_attribute("aria-label") for one in images.all()}
        assert len(labels) == images.count() == len(FIGURES)


def test_solutions_open_by_click_and_by_keyboard(desktop: Watched) -> None:
    page = desktop.open(page_with('<details class="solution'))
    first, second = (
        page.locator("details.solution").nth(i) for i in (0, 1)
    )
    inside = [s.locator("section").first for s in (first, second)]
    summary = first.locator("summary").first
    assert summary.inner_text().startswith("Solution to Exercise")
    assert not any(part.is_visible() for part in inside)
    summary.click()
    inside[0].wait_for(state="visible", timeout=5_000)
    second.locator("summary").first.focus()
    page.keyboard.press("Enter")
    inside[1].wait_for(state="visible", timeout=5_000)
    page.keyboard.press("Enter")
    inside[1].wait_for(state="hidden", timeout=5_000)
    assert inside[0].is_visible()
    assert desktop.errors == []


def test_keyboard_reaches_text_search_and_theme(desktop: Watched) -> None:
    page = desktop.open(PAGES[0])
    page.keyboard.press("Tab")
    focused = "document.activeElement.textContent.trim()"
    assert page.evaluate(focused) == "Skip to main content"
    page.keyboard.press("Control+k")
    page.keyboard.type("tolerance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=tolerance")


# --- on paper -------------------------------------------------------------


def test_paper_is_light_and_solutions_are_open(book_browser: Any) -> None:
    watched = Watched(book_browser, color_scheme="dark")
    page = watched.open(page_with('<details class="solution'))
    theme = "document.documentElement.dataset.theme"
    hidden = page.locator("details.solution:not([open])")
    folded = hidden.count()
    assert folded > 1
    assert page.evaluate(theme) == "dark"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(theme) == "light"
    assert hidden.count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(theme) == "dark"
    assert hidden.count() == folded
    page.close()


def test_pdf_is_a4_and_has_an_outline(
    book_browser: Any, tmp_path: Path
) -> None:
    path = pdf.print_page(book_browser, PAGES[0], tmp_path)
    assert path == tmp_path / f"{Path(PAGES[0]).name}.pdf"
    data = path.read_bytes()
    assert data.startswith(b"%PDF")
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data))
    [(width, height)] = boxes
    assert abs(float(width) - 595) < 2  # points
    assert abs(float(height) - 842) < 2
    assert b"/Outlines" in data
    assert b"/StructTreeRoot" in data
