"""The first load of a page: what it requests, its colors, its policy."""

import gzip
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import content_security
import first_load
import icons
import pytest
import theme_head
from fontTools import ttLib

from scripts.book import HTML, pages
from tests.browser import Watched
from tests.built import elements, need_book
from tests.live.replies import cases

PAGES = [*pages(), "search", "genindex", "404"]
LARGEST_LANDING = 450_000  # bytes with gzip, before the first question
DARK = {"color_scheme": "dark"}
SURFACE = "getComputedStyle(document.body).backgroundColor"
THEME = "document.documentElement.dataset.theme"


# --- icons ----------------------------------------------------------------


def test_font_holds_the_icons_in_use_and_no_others() -> None:
    names = icons.used_names(['<i class="fas fa-rocket"></i>'])
    codes = icons.used_codes([':after { content: "\\f107" }', "\uf05a"])
    assert names == {"fa-rocket"}
    assert codes == {0xF107, 0xF05A}
    sheet = icons.style_sheet(names, codes)
    assert '.fa-rocket::before { content: "\\f135" }' in sheet
    assert len(sheet) < 4_000
    [vendor] = (icons.STATIC / icons.VENDOR).iterdir()
    font = vendor / "webfonts" / "fa-solid-900.ttf"
    with ttLib.TTFont(io.BytesIO(icons.cut_font(font, codes))) as cut:
        assert set(cut.getBestCmap()) == codes


def test_files_without_a_use_are_left_out() -> None:
    head = (
        '<link rel="stylesheet" href="_static/copybutton.css?v=1" />'
        "<script>window.MathJax = {}</script>"
        '<script defer="defer" src="_static/mathjax/tex.js"></script>'
    )
    assert first_load.drop_unused(head + "<p>words</p>") == "<p>words</p>"
    kept = head + '<pre>code</pre><div class="math notranslate">x</div>'
    assert first_load.drop_unused(kept) == kept


def test_scripts_of_the_head_do_not_hold_up_the_text() -> None:
    page = (
        '<head><script src="documentation_options.js"></script>'
        '<script>DOCUMENTATION_OPTIONS.pagename = "a";</script>'
        '<script src="one.js"></script><script async src="two.js"></script>'
        '<script type="module" src="three.js"></script></head>'
        '<body><script src="four.js"></script></body>'
    )
    changed = first_load.defer_scripts(page)
    assert changed == page.replace(
        '<script src="one.js">', '<script defer="defer" src="one.js">'
    )
    assert first_load.defer_scripts(changed) == changed


def test_code_loses_only_marks_without_a_color() -> None:
    code = '<span class="k">def</span><span class="w"> </span>'
    assert first_load.unmark(code) == '<span class="k">def</span> '
    need_book()
    sheet = (HTML / "_static" / "pygments.css").read_text(encoding="utf-8")
    for theme in ("light", "dark"):
        colors = re.findall(
            rf'"{theme}"\] \.highlight(?: \.([npw]))? '
            r"\{[^}]*\bcolor: (#\w+)",
            sheet,
        )
        assert len(colors) == 4
        assert len({color for _, color in colors}) == 1


# --- the built book -------------------------------------------------------


def requested(watched: Watched) -> set[Path]:
    """Return the files that a page has asked for."""
    return {
        Path(unquote(urlsplit(url).path))
        for url in watched.requests
        if url.startswith("file:")
    }


def test_landing_page_is_light(book_browser: Any) -> None:
    need_book()
    watched = Watched(book_browser)
    watched.open("book/intro")
    files = requested(watched)
    watched.page.close()
    assert len(files) > 10
    sizes = [len(gzip.compress(file.read_bytes())) for file in files]
    assert sum(sizes) < LARGEST_LANDING
    assert not any("mathjax" in str(file) for file in files)


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_each_icon_once(name: str) -> None:
    need_book()
    html = (HTML / f"{name}.html").read_text(encoding="utf-8")
    assert "fontawesome" not in html
    sheet = (HTML / "_static" / icons.SHEET).read_text(encoding="utf-8")
    shown = icons.used_names([html]) - {"fa-solid", "fa-lg"}
    assert len(shown) > 5
    assert all(f".{icon}::before" in sheet for icon in shown)


# --- colors --------------------------------------------------------------


def test_theme_is_resolved_in_the_head() -> None:
    html = (
        '<html data-theme="auto"><script>'
        "document.documentElement.dataset.theme = "
        'localStorage.getItem("theme") || "auto";</script>'
    )
    resolved = theme_head.resolve_theme(html)
    assert resolved.startswith('<html data-theme="light"')
    assert "prefers-color-scheme" in resolved
    assert "auto" not in resolved.replace('"auto"', "", 1)
    assert theme_head.resolve_theme(resolved) == resolved


@pytest.mark.parametrize("scripts", [True, False])
def test_page_is_themed_before_and_without_its_scripts(
    book_browser: Any, scripts: bool
) -> None:
    """With scripts that never arrive, and where none may run."""
    need_book()
    watched = Watched(book_browser, java_script_enabled=scripts, **DARK)
    watched.page.route("**/*.js*", lambda route: route.abort())
    page = watched.open("notebooks/04_sequential")
    shown = page.locator(".navbar-brand img:visible").count()
    code = page.locator("div.highlight pre").first
    colors = code.evaluate(
        "e => [getComputedStyle(e).color, getComputedStyle(e)"
        ".backgroundColor].map(c => c.match(/\\d+/g).map(Number))"
    )
    ground = page.evaluate(SURFACE)
    page.close()
    assert shown <= 1
    text, behind = (sum(color[:3]) for color in colors)
    dark = sum(map(int, re.findall(r"\d+", ground)[:3])) < 3 * 64
    assert dark is scripts
    assert (text > behind + 300) is scripts
    assert (behind > text + 300) is not scripts


# --- content security policy ----------------------------------------------


def test_policy_names_the_scripts_of_a_page() -> None:
    page = (
        '<meta charset="utf-8" /><script src="a.js"></script>'
        "<script>alert(1)</script>"
        '<button class="b" onclick="go()">x</button>'
    )
    once = content_security.add_policy(page)
    # printf 'alert(1)' | openssl dgst -sha256 -binary | base64
    assert "sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=" in once
    assert content_security.digest("go()") in once
    assert once.count("sha256-") == 2
    assert content_security.add_policy(once) == once


@pytest.mark.parametrize("name", PAGES)
def test_page_has_a_policy_before_its_scripts(name: str) -> None:
    need_book()
    order = [
        tag if tag != "meta" else attributes.get("http-equiv", "")
        for tag, attributes in elements(name).all
    ]
    assert order.index("Content-Security-Policy") < order.index("script")
    [content] = [
        meta["content"]
        for meta in elements(name).of("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert content.startswith("default-src 'none'; script-src 'self'")
    html = (HTML / f"{name}.html").read_text(encoding="utf-8")
    assert content == content_security.policy(html)
    assert not re.search(
        r"https?:|\*|'unsafe-(inline|eval)'",
        content[: content.index("style-src")],
    )


GENERATE = """async question => {
  const llm = await unitconv.load("rft");
  const { text } = await llm.generate(question);
  return [llm.model.kernel.simd, text];
}"""


@pytest.mark.parametrize("allowed", [True, False])
def test_model_answers_where_webassembly_is_forbidden_too(
    book_browser: Any, allowed: bool
) -> None:
    def weaken(route: Any) -> None:
        body = (HTML / "book" / "intro.html").read_text(encoding="utf-8")
        body = body.replace("'wasm-unsafe-eval' ", "")
        route.fulfill(body=body, content_type="text/html")

    watched = Watched(book_browser)
    if not allowed:
        watched.page.route("**/intro.html", weaken)
    page = watched.open("book/intro")
    question = "How many gram are there per 6 kg?"
    [case] = cases("rft", [question])
    simd, text = page.evaluate(GENERATE, question)
    page.close()
    assert simd is allowed
    assert text == case.expected.text
    assert watched.errors == []
