"""The widgets of chapters 2 to 4, in a browser.

Needs the book (`make book`) and Chromium, as the tests of the book do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from scripts.book import HTML
from tests.browser import PHONE, Watched, wait_until

TOKENS, NETWORK = "notebooks/02_tokens", "notebooks/03_network"
SEQUENTIAL = "notebooks/04_sequential"
LIGHT = 40_000  # bytes of a page's widgets, before they are used
FIGURES = {
    "tokens": TOKENS,
    "attention": NETWORK,
    "kv-cache": SEQUENTIAL,
    "next-token": SEQUENTIAL,
}
SAID = """name => document.querySelector(`.live-${name} .live-status`)
  .textContent !== ''"""
# What is seen of a figure.
SHOWN = """name => {
  const figure = document.querySelector(`.live-${name}`).cloneNode(true);
  figure.querySelectorAll("form, .visually-hidden, [hidden]")
    .forEach(part => part.remove());
  return figure.textContent.replace(/\\s+/g, " ").trim();
}"""
AXE = """name => axe.run(`.live-${name}`, {preload: false})
  .then(report => report.violations.map(rule => rule.id))"""


@pytest.fixture
def watched(book_browser: Any) -> Iterator[Watched]:
    opened = Watched(book_browser, offline=True)
    yield opened
    opened.page.close()
    assert opened.external() == []
    assert opened.errors == []


def find(page: Any, name: str) -> Any:
    return page.locator(f".live-{name}")


def wait(page: Any, name: str) -> str:
    """Wait until a widget has something to say, and return it."""
    wait_until(page, SAID, name)
    said: str = find(page, name).locator(".live-status").text_content()
    return said


def press(figure: Any, name: str) -> None:
    figure.get_by_role("button", name=name, exact=True).press("Enter")


def type_again(figure: Any) -> None:
    field = figure.get_by_role("textbox")
    field.press("End")
    field.press("!")
    field.press("Backspace")


def set_again(figure: Any) -> None:
    slider = figure.get_by_role("slider").first
    slider.press("ArrowRight")
    slider.press("ArrowLeft")


def go_on_and_back(figure: Any) -> None:
    press(figure, "Next token")
    figure.get_by_role("button", name="Back", exact=True).press("Enter")


#: What has the page compute the recorded figure again, by keyboard.
AGAIN: dict[str, Callable[[Any], None]] = {
    "tokens": type_again,
    "attention": lambda figure: press(figure, "Ask"),
    "kv-cache": set_again,
    "next-token": go_on_and_back,
}


@pytest.mark.parametrize("name", FIGURES)
def test_page_computes_the_figure_that_the_library_drew(
    watched: Watched, name: str
) -> None:
    page = watched.open(FIGURES[name])
    recorded = page.evaluate(SHOWN, name)
    AGAIN[name](find(page, name))
    wait(page, name)
    assert page.evaluate(SHOWN, name) == recorded
    loaded = any("data/base.js" in url for url in watched.requests)
    assert loaded is (name in ("attention", "next-token"))


@pytest.mark.parametrize("page_name", [TOKENS, NETWORK, SEQUENTIAL])
def test_page_loads_little_before_its_widgets_are_used(
    watched: Watched, page_name: str
) -> None:
    page = watched.open(page_name)
    files = {
        Path(url.split("?")[0].removeprefix("file://"))
        for url in watched.requests
        if "/_static/live/" in url
    }
    assert not any("/data/" in str(path) for path in files)
    names = [name for name, where in FIGURES.items() if where == page_name]
    markup = sum(len(find(page, name).inner_html()) for name in names)
    assert markup + sum(path.stat().st_size for path in files) < LIGHT
    assert all(path.is_relative_to(HTML.resolve()) for path in files)


def use_tokens(page: Any, figure: Any) -> None:
    figure.get_by_label("Text", exact=True).fill("6000 kg <|im_end|>")
    figure.get_by_label("the text alone").check()
    wait_until(
        page, "document.querySelectorAll('.live-tokens .chip').length < 20"
    )
    assert figure.locator(".digit").count() == 4
    assert figure.locator(".special").count() == 0


def use_attention(page: Any, figure: Any) -> None:
    press(figure, "Ask")
    before = wait(page, "attention")
    figure.locator("[aria-pressed=true]").press("ArrowRight")
    after = wait(page, "attention")
    assert after != before
    figure.get_by_label("Layer").select_option("0")
    assert wait(page, "attention") != after
    figure.get_by_label("Show the whole prompt").check()
    assert figure.locator(".chip").count() > 100


def use_kv_cache(page: Any, figure: Any) -> None:
    figure.get_by_label("Tokens of the reply").fill("100")
    wait(page, "kv-cache")
    assert figure.locator(".kv-bars i").count() == 200


def use_next_token(page: Any, figure: Any) -> None:
    figure.get_by_label("Temperature").fill("2.5")
    figure.get_by_label("Top-p").fill("0.5")
    press(figure, "Sample 20")
    page.wait_for_selector(".live-next-token .tally:not([hidden])")
    cells = figure.locator("tbody td:nth-child(4)").all_text_contents()
    assert sum(map(int, cells)) == 20
    press(figure, "To the end")
    wait_until(
        page,
        "document.querySelector('.live-next-token .live-note')"
        ".textContent.includes('complete')",
    )
    press(figure, "Start again")
    assert figure.locator(".live-written").text_content() == ""


USE = {
    "tokens": use_tokens,
    "attention": use_attention,
    "kv-cache": use_kv_cache,
    "next-token": use_next_token,
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_widget_in_use_on_a_phone_is_accessible(
    watched: Watched, name: str, look: str
) -> None:
    page = watched.page
    page.emulate_media(color_scheme=look)
    page.set_viewport_size(PHONE)
    watched.open(FIGURES[name])
    USE[name](page, find(page, name))
    page.evaluate(AXE_SCRIPT)
    assert page.evaluate(AXE, name) == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


def test_figures_are_all_there_is_on_paper_and_without_scripts(
    book_browser: Any, watched: Watched
) -> None:
    plain = Watched(book_browser, java_script_enabled=False)
    for name, where in FIGURES.items():
        page = watched.open(where)
        assert find(page, name).locator("form").is_visible()
        page.emulate_media(media="print")
        assert not find(page, name).locator("form").is_visible()
        page.emulate_media(media="screen")
        figure = find(plain.open(where), name)
        assert not figure.locator("form").is_visible()
        assert figure.locator("figcaption").is_visible()
        assert figure.locator(".live-note").is_visible()
    plain.page.close()
