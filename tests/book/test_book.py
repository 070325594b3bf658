"""The built book, opened from disk in a real browser.

Needs the book (`make book`) and Chromium or Chrome; where one is missing
the tests are skipped and say so, except in CI, where they fail.

Each page is loaded once and looked at in every way that changes nothing
for the next: wide, narrow, on paper, light, dark. The tests read what was
seen.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from figure_role import FIGURES

from scripts import print_pdf as pdf
from scripts.book import HTML, pages
from tests.built import elements, imported, missing, need_book

PAGES = pages()
OTHERS = ["404", "search"]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


# What is unfolded fades in, and would be judged while it is still pale.
AT_ONCE = "* { animation: none !important; transition: none !important }"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    need_book()
    found = pdf.find_browser()
    if found is None:
        missing("no Chromium or Chrome on the PATH")
    sync_api = imported("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=found, args=pdf.FLAGS
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, which knows what a page owes its readers."""
    base = imported("axe_playwright_python.base")
    return str(base.AXE_SCRIPT)


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
    page = browser.new_page(viewport=DESKTOP)
    yield Watched(page)
    page.close()


# --- one look at every page -----------------------------------------------

MATH = """() => {
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
SEEN = """selector => [...document.querySelectorAll(selector)]
  .filter(e => e.checkVisibility() && e.getClientRects().length)
  .map(e => e.outerHTML.slice(0, 120))"""
# Everything is open, and what axe would look at again and again (the same
# kind of token in code, the shapes inside a figure) is there once.
PREPARE = """() => {
  document.querySelectorAll('details').forEach(d => { d.open = true });
  document.querySelectorAll('.toggle-hidden > * > .toggle-button')
    .forEach(button => button.click());
  const kinds = new Set(), again = [];
  for (const token of document.querySelectorAll('pre span[class]')) {
    const around = token.closest('.cell_output, .cell_input');
    const kind = [token.className, getComputedStyle(token).color,
                  token.closest('div').className, around?.className];
    if (kinds.has(kind.join())) again.push(token);
    kinds.add(kind.join());
  }
  for (const token of again) token.replaceWith(...token.childNodes);
  document.querySelectorAll('svg[role=img]')
    .forEach(svg => svg.replaceChildren());
}"""
# No preload: axe would read the style sheets again, which a file must not.
ASK_AXE = """() => axe.run({
  resultTypes: ['violations'], preload: false,
}).then(found => found.violations.flatMap(rule => rule.nodes.map(node =>
  `${rule.id}: ${node.target} ${node.html.slice(0, 120)}`)))"""


@dataclass
class Sight:
    """What one page showed and did."""

    headings: int
    requests: list[str]
    elsewhere: list[str]
    errors: list[str]
    broken_images: list[str]
    math: dict[str, Any]
    too_wide: list[str]
    on_paper: list[str]
    complaints: dict[str, list[str]]  # light, dark -> what axe found


def look(browser: Any, axe: str, name: str) -> Sight:
    page = browser.new_page(
        viewport=DESKTOP, color_scheme="light", reduced_motion="reduce"
    )
    watched = Watched(page)
    watched.open(name)
    page.evaluate("window.MathJax?.startup?.promise?.then(() => {})")
    headings = page.locator("h1:visible").count()
    math = page.evaluate(MATH)
    images = page.evaluate(BROKEN_IMAGES)
    page.emulate_media(media="print")
    on_paper = page.evaluate(SEEN, NAVIGATION)
    page.emulate_media(media="screen")
    assert page.evaluate(SEEN, NAVIGATION), "nothing to hide on paper"
    page.evaluate(axe)
    page.add_style_tag(content=AT_ONCE)
    page.evaluate(PREPARE)
    page.wait_for_timeout(100)  # what was folded has got its size
    complaints = {"light": page.evaluate(ASK_AXE)}
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(400)  # the theme waits 300 ms after a resize
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    too_wide = page.evaluate(TOO_WIDE)
    complaints["dark"] = page.evaluate(ASK_AXE)
    page.close()
    return Sight(
        headings,
        watched.requests,
        watched.elsewhere(),
        watched.errors,
        images,
        math,
        too_wide,
        on_paper,
        complaints,
    )


@pytest.fixture(scope="module")
def sights(browser: Any, axe: str) -> dict[str, Sight]:
    return {name: look(browser, axe, name) for name in PAGES + OTHERS}


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_page_loads_from_disk_alone_and_without_error(
    sights: dict[str, Sight], name: str
) -> None:
    assert sights[name].headings == 1
    assert len(sights[name].requests) > 5, "nothing was watched"
    assert sights[name].elsewhere == []
    assert sights[name].errors == []
    assert sights[name].broken_images == []


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_page_is_accessible_by_axe(
    sights: dict[str, Sight], name: str
) -> None:
    assert sights[name].complaints == {"light": [], "dark": []}


@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_phone_has_no_horizontal_scroll(
    sights: dict[str, Sight], name: str
) -> None:
    assert sights[name].too_wide == []


@pytest.mark.parametrize("name", PAGES)
def test_paper_shows_no_navigation(
    sights: dict[str, Sight], name: str
) -> None:
    assert sights[name].on_paper == []


@pytest.mark.parametrize("name", PAGES)
def test_math_is_drawn_with_our_own_mathjax(
    sights: dict[str, Sight], name: str
) -> None:
    classes = [found.get("class", "") for _, found in all_of(name)]
    formulas = sum("math" in value.split() for value in classes)
    assert sights[name].math == {
        "formulas": formulas,
        "raw": [],
        "wrong": [],
    }
    fonts = [url for url in sights[name].requests if ".woff" in url]
    ours = any("_static/mathjax/" in url for url in fonts)
    assert ours is (formulas > 0)


def all_of(name: str) -> list[tuple[str, dict[str, str]]]:
    return elements(HTML / f"{name}.html").all


def test_some_page_has_a_formula(sights: dict[str, Sight]) -> None:
    assert any(sight.math["formulas"] for sight in sights.values())


# --- what a reader does ---------------------------------------------------


def test_index_leads_to_the_first_page(desktop: Watched) -> None:
    page = desktop.open("index")
    page.wait_for_url(f"**/{PAGES[0]}.html")
    assert page.locator("article h1").count() == 1


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("tolerance", "book/how-to-use"),
        ("padding", "notebooks/04_batched"),  # in the prose of a chapter
    ],
)
def test_search_finds_a_word(
    desktop: Watched, word: str, name: str
) -> None:
    page = desktop.open("search", f"?q={word}")
    hits = page.locator("#search-results ul.search li a")
    hits.first.wait_for(timeout=10_000)
    page.locator("#search-results .search-summary").wait_for()
    links = hits.evaluate_all("links => links.map(link => link.href)")
    assert any(f"{name}.html" in link for link in links)
    assert len(links) < len(PAGES), "a search that finds everything"
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


def page_with(what: str) -> str:
    """The first page whose file holds this text."""
    found = (n for n in PAGES if what in (HTML / f"{n}.html").read_text())
    name = next(found, None)
    assert name is not None, f"no page has {what}"
    return name


# The smallest letters, in pixels, of each drawing that is seen.
LETTERS = """() => [...document.querySelectorAll('.picture svg')]
  .filter(svg => svg.getClientRects().length)
  .map(svg => {
    const width = svg.getBoundingClientRect().width;
    const scale = width / svg.viewBox.baseVal.width;
    const sizes = [...svg.querySelectorAll('text')]
      .map(text => scale * parseFloat(getComputedStyle(text).fontSize));
    return Math.min(...sizes);
  })"""


def test_first_page_draws_for_wide_and_narrow_and_says_it_once(
    desktop: Watched,
) -> None:
    page = desktop.open("book/intro")
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        for media in ("print", "screen"):
            page.emulate_media(media=media)
            letters = page.evaluate(LETTERS)
            assert len(letters) == len(FIGURES)
            assert min(letters) > 11
        # What is hidden has no role, and is not read out.
        figures = page.locator(".picture").get_by_role("img")
        said = {one.get_attribute("aria-label") for one in figures.all()}
        assert len(said) == figures.count() == len(FIGURES)


def test_solutions_open_by_click_and_by_keyboard(desktop: Watched) -> None:
    page = desktop.open(page_with('class="solution dropdown'))
    first, second = (page.locator(".solution").nth(i) for i in range(2))
    inside = [s.locator("section").first for s in (first, second)]
    assert not any(part.is_visible() for part in inside)
    first.locator(".admonition-title").click()
    inside[0].wait_for(state="visible", timeout=5_000)
    second.locator("button.toggle-button").focus()
    page.keyboard.press("Enter")
    inside[1].wait_for(state="visible", timeout=5_000)
    page.keyboard.press("Enter")
    inside[1].wait_for(state="hidden", timeout=5_000)
    assert inside[0].is_visible()
    assert desktop.errors == []


def test_hidden_cells_open_by_click_and_by_keyboard(
    desktop: Watched,
) -> None:
    page = desktop.open(page_with('<details class="admonition hide'))
    folded = page.locator("details.hide").first
    summary = folded.locator("summary")
    code = folded.locator("pre").first
    assert not code.is_visible()
    summary.click()
    assert code.is_visible()
    summary.focus()
    page.keyboard.press("Enter")
    assert not code.is_visible()


def test_copy_button_copies_the_code_of_its_cell(browser: Any) -> None:
    context = browser.new_context(
        viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"]
    )
    watched = Watched(context.new_page())
    page = watched.open(page_with('class="cell_input'))
    cell = page.locator(".cell_input:visible").first
    code = cell.locator("pre").inner_text()
    cell.hover()
    cell.locator("button.copybtn").click()
    page.locator("button.copybtn.success").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == code.strip()
    assert len(copied) > 20
    context.close()


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


def test_paper_is_light_and_solutions_are_open(browser: Any) -> None:
    page = browser.new_page(color_scheme="dark")
    Watched(page).open(page_with('class="solution dropdown'))
    theme = "document.documentElement.dataset.theme"
    hidden = page.locator(".solution.toggle-hidden")
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


def test_pdf_is_a4_and_has_an_outline(browser: Any, tmp_path: Path) -> None:
    path = pdf.print_page(browser, PAGES[0], tmp_path)
    assert path == tmp_path / f"{Path(PAGES[0]).name}.pdf"
    data = path.read_bytes()
    assert data.startswith(b"%PDF")
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data))
    [(width, height)] = boxes
    assert abs(float(width) - 595) < 2  # points
    assert abs(float(height) - 842) < 2
    assert b"/Outlines" in data
    assert b"/StructTreeRoot" in data


# --- an address that leads nowhere ----------------------------------------


class Host(SimpleHTTPRequestHandler):
    """What a host does: the book under a folder, 404.html for the rest."""

    under = "/course/"

    def translate_path(self, path: str) -> str:
        if not path.startswith(self.under):
            return str(HTML / "there is no such file")
        return super().translate_path(path.removeprefix(self.under[:-1]))

    def send_error(self, code: int, *_: Any) -> None:
        body = (HTML / "404.html").read_bytes()
        self.send_response(HTTPStatus(code))
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    handler = partial(Host, directory=str(HTML))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{Host.under}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "lost",
    ["lost.html", "notebooks/lost.html", "notebooks/a/b/lost.html"],
)
def test_missing_address_shows_the_book_at_any_depth(
    browser: Any, host: str, lost: str
) -> None:
    page = browser.new_page(viewport=DESKTOP)
    answer = page.goto(host + lost, wait_until="networkidle")
    assert answer.status == HTTPStatus.NOT_FOUND
    # Style sheets and pictures are there.
    look = "getComputedStyle(document.querySelector('.lost')).display"
    assert page.evaluate(look) == "flex"
    assert page.evaluate(BROKEN_IMAGES) == []
    assert page.locator("article h1").inner_text() == "Page not found"
    links = page.locator("article li a").evaluate_all(
        "links => links.map(link => link.href)"
    )
    assert links == [f"{host}{name}.html" for name in PAGES]
    skip = page.locator("#pst-skip-link a").evaluate("link => link.href")
    assert skip == f"{host}{lost}#main-content"
    page.locator("#lost-words").fill("tolerance")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{host}search.html?q=tolerance")
    page.locator("#search-results ul.search li a").first.wait_for()
    page.close()
