"""The widgets of the chapters, in the built book.

Needs the book (`make book`) and Chromium, as the tests of the book do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import live_prompting
import pytest
from axe_playwright_python.base import AXE_SCRIPT

from scripts.book import HTML
from tests.browser import PHONE, Watched, wait_until

CHAPTERS = {
    "padding": "notebooks/05_batched",
    "slots": "notebooks/06_fast",
    "prompting": "notebooks/07_prompting",
    "rollouts": "notebooks/09_rft",
}
LIGHT = 40_000  # bytes of a widget, before a click
# An exercise that the page checks is such a figure too.
FIGURE = ".live-figure:not([class*='live-exercise'])"
READ_OUT = """figure => document.querySelector(`${figure} .live-status`)
  .textContent !== ''"""
NOTES = "notes => notes.map(note => note.textContent)"
# A reply without the words that the grader adds for screen readers.
TEXTS = """texts => texts.map((text) => {
  const plain = text.cloneNode(true);
  plain.querySelectorAll(".claim-words").forEach(words => words.remove());
  return plain.textContent;
})"""
ASK_AXE = """figure => axe.run(figure, {preload: false})
  .then(report => report.violations.map(rule => rule.id))"""


@pytest.fixture
def watched(book_browser: Any) -> Iterator[Watched]:
    opened = Watched(book_browser, offline=True)
    yield opened
    opened.page.close()
    assert opened.external() == opened.errors == []


def run(page: Any) -> str:
    """Click what runs the widget, and wait until it is read out."""
    page.locator(f"{FIGURE} [type=submit]").click()
    wait_until(page, READ_OUT, FIGURE, seconds=300)
    said: str = page.locator(f"{FIGURE} .live-status").text_content()
    return said


def notes(page: Any) -> list[str]:
    found: list[str] = page.locator(f"{FIGURE} .live-note").evaluate_all(
        NOTES
    )
    return [" ".join(note.split()) for note in found]


def texts(page: Any) -> list[str]:
    found: list[str] = page.locator(f"{FIGURE} .live-text").evaluate_all(
        TEXTS
    )
    return found


every_widget = pytest.mark.parametrize("name", CHAPTERS)


@every_widget
def test_page_loads_little_before_a_click(
    watched: Watched, name: str
) -> None:
    page = watched.open(CHAPTERS[name])
    files = {
        Path(url.split("?")[0].removeprefix("file://")).resolve()
        for url in watched.requests
        if "/_static/live/" in url
    }
    scripts = HTML.resolve() / "_static" / "live"
    assert scripts / "widgets" / f"{name}.js" in files
    markup = len(page.locator(FIGURE).inner_html().encode())
    assert markup + sum(f.stat().st_size for f in files) < LIGHT


@every_widget
def test_figure_is_complete_without_scripts_and_on_paper(
    book_browser: Any, watched: Watched, name: str
) -> None:
    plain = Watched(book_browser, java_script_enabled=False)
    static = plain.open(CHAPTERS[name])
    assert not static.locator(f"{FIGURE} form").is_visible()
    assert static.locator(f"{FIGURE} figcaption").is_visible()
    drawn = notes(static)
    assert all(drawn)
    page = watched.open(CHAPTERS[name])
    form = page.locator(f"{FIGURE} form")
    assert form.is_visible()
    # The scripts have drawn nothing else than the build.
    assert [note for note in notes(page) if note] == drawn
    page.emulate_media(media="print")
    assert not form.is_visible()
    static.close()


@every_widget
def test_widget_on_a_phone_in_the_dark(watched: Watched, name: str) -> None:
    page = watched.open(CHAPTERS[name])
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    run(page)
    page.evaluate(AXE_SCRIPT)
    assert page.evaluate(ASK_AXE, FIGURE) == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


def test_recorded_rollouts_are_sampled_again(watched: Watched) -> None:
    page = watched.open(CHAPTERS["rollouts"])
    numbers = page.locator(f"{FIGURE} li").evaluate_all(
        "items => items.map(item => item.value)"
    )
    recorded = texts(page)
    verdicts = page.locator(".live-verdict").all_text_contents()
    assert run(page) == "10 replies: 4 kept, 2 trained on."
    sampled = texts(page)
    judged = page.locator(".live-verdict").all_text_contents()
    assert [sampled[n - 1] for n in numbers] == recorded
    assert [judged[n - 1] for n in numbers] == verdicts


def test_sampling_can_be_cancelled_by_keyboard(watched: Watched) -> None:
    page = watched.open(CHAPTERS["rollouts"])
    page.locator("[name=question]").focus()
    page.keyboard.press("Enter")
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    wait_until(page, READ_OUT, FIGURE, seconds=300)
    assert notes(page) == ["Cancelled."]
    assert cancel.is_disabled()
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == "Sample"


def test_question_of_another_kind_is_refused(watched: Watched) -> None:
    page = watched.open(CHAPTERS["rollouts"])
    page.locator("[name=question]").fill("How are you?")
    assert "No question of the task" in run(page)


def test_padding_on_the_right_goes_wrong(watched: Watched) -> None:
    page = watched.open(CHAPTERS["padding"])
    written = texts(page)
    said = run(page)
    assert said == "Rows continued as alone, left: 3 of 3; right: 2 of 3."
    assert texts(page) == written
    page.get_by_label("Attention mask").uncheck()
    assert "left: 3 of 3" not in run(page)


def test_slots_are_stepped_through(watched: Watched) -> None:
    page = watched.open(CHAPTERS["slots"])
    page.get_by_label("Tokens of each reply").fill("3 9 3 3")
    page.get_by_role("slider", name="Slots").fill("2")
    assert notes(page) == [
        "Without refill: 10 steps; 6 of 20 slot-steps idle (30 %).",
        "With refill: 8 steps; 2 of 16 slot-steps idle (13 %).",
    ]
    page.get_by_role("button", name="Next step").click()
    assert notes(page) == [
        "Without refill: 1 step so far; 0 of 2 slot-steps idle (0 %).",
        "With refill: 1 step so far; 0 of 2 slot-steps idle (0 %).",
    ]
    page.get_by_label("Tokens of each reply").fill("3 nine")
    assert set(notes(page)) == {
        "A reply has 1 to 512 tokens: whole numbers."
    }


def test_another_example_is_tried_on_the_questions(
    watched: Watched,
) -> None:
    page = watched.open(CHAPTERS["prompting"])
    [default] = notes(page)[:1]
    said = run(page)
    expected = default.replace("Default", "Your")
    assert said == expected
    marks = page.locator(".live-marks").all_text_contents()
    assert marks[0] == marks[1]
    assert len(marks[0]) == len(live_prompting.report(20).rows)
    page.locator(f"{FIGURE} textarea").fill("<answer>900</answer>")
    assert run(page) != expected
