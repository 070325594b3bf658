"""The widget that asks the course model, on the first page of the book.

Needs the book (`make book`) and Chromium, as the tests of the book do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import live_widgets
import pytest
from axe_playwright_python.base import AXE_SCRIPT

from scripts.book import HTML
from tests.browser import PHONE, Watched, wait_until
from tests.live.replies import cases

PAGE = "book/intro"
QUESTION = "How many gallons are in 6 quarts?"
LIGHT = 40_000  # bytes of the widget, before the first question

# The reply without the words that the grader adds for screen readers.
REPLY = """() => {
  const reply = document.querySelector(".ask-reply").cloneNode(true);
  reply.querySelectorAll(".claim-words").forEach(words => words.remove());
  return reply.textContent;
}"""
FINISHED = "document.querySelector('.ask-status').textContent !== ''"
ASK_AXE = """() => axe.run(".ask-model", {preload: false})
  .then(report => report.violations.map(rule => rule.id))"""


@pytest.fixture
def watched(book_browser: Any) -> Iterator[Watched]:
    opened = Watched(book_browser, offline=True)
    yield opened
    opened.page.close()
    assert opened.external() == []


def wait(page: Any) -> str:
    """Wait for the end of a reply, and return it."""
    wait_until(page, FINISHED)
    reply: str = page.evaluate(REPLY)
    return reply


def recorded() -> str:
    _, rows = live_widgets.read_rollouts()
    text: str = rows[QUESTION]["rollouts"][0]["text"]
    return text


def test_page_loads_little_before_a_question(watched: Watched) -> None:
    page = watched.open(PAGE)
    files = {
        Path(url.split("?")[0].removeprefix("file://"))
        for url in watched.requests
        if "/_static/live/" in url
    }
    static = HTML.resolve() / "_static"
    names = [*live_widgets.SCRIPTS, *live_widgets.STYLES]
    assert {f.resolve() for f in files} == {static / n for n in names}
    markup = len(page.locator(".ask-model").inner_html())
    assert markup + sum(f.stat().st_size for f in files) < LIGHT


def test_recorded_reply_is_computed_again_by_keyboard(
    watched: Watched,
) -> None:
    page = watched.open(PAGE)
    assert page.evaluate(REPLY) == recorded()
    page.get_by_role("textbox", name="Question", exact=True).focus()
    page.keyboard.press("Enter")
    assert wait(page) == recorded()
    status = page.locator(".ask-status").text_content()
    assert "right answer, valid reasoning" in status
    assert watched.errors == []


def test_reply_to_another_question_on_a_phone(watched: Watched) -> None:
    question = "How many gram are there per 6 kg?"
    [case] = cases("rft", [question])
    page = watched.open(PAGE)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    page.get_by_role("textbox", name="Question", exact=True).fill(question)
    page.get_by_label("RFT", exact=True).check()
    page.get_by_label("Temperature", exact=True).fill("0")
    page.get_by_role("button", name="Ask", exact=True).click()
    assert wait(page) == case.expected.text
    assert page.locator(".ask-question").text_content() == question
    page.evaluate(AXE_SCRIPT)
    assert page.evaluate(ASK_AXE) == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    assert watched.errors == []


def test_question_that_is_too_long_is_explained(watched: Watched) -> None:
    page = watched.open(PAGE)
    page.get_by_role("textbox", name="Question", exact=True).fill(
        "\U0001f600" * 100
    )
    page.get_by_role("button", name="Ask", exact=True).click()
    wait(page)
    note = page.locator(".ask-note").text_content()
    assert "shorten the question" in note
    assert watched.errors == []


def test_record_is_all_there_is_on_paper_and_without_scripts(
    book_browser: Any, watched: Watched
) -> None:
    page = watched.open(PAGE)
    form = page.locator(".ask-model form")
    assert form.is_visible()
    page.emulate_media(media="print")
    assert not form.is_visible()
    assert page.locator(".ask-reply").inner_text() == recorded()
    plain = Watched(book_browser, java_script_enabled=False).open(PAGE)
    assert not plain.locator(".ask-model form").is_visible()
    assert plain.locator(".ask-reply").inner_text() == recorded()
    plain.close()
