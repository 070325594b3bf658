"""Exercises that the page checks, on a page of their own in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.browser import PHONE, Watched, open_browser, wait_until
from tests.live.widget_page import build_page

pytestmark = pytest.mark.slow

EXERCISES = {
    "live-exercise-price": "10 5",
    "live-exercise-example": "3 3",
}
QUESTION = "How many gram are in 13 lb?"
SAID = """name => document.querySelector(`.${name} .live-status`)
  .textContent !== ''"""
ASK_AXE = """() => axe.run("article", {preload: false})
  .then(report => report.violations.map(rule => rule.id))"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    file = build_page(tmp_path_factory.mktemp("exercises"), EXERCISES)
    with open_browser() as browser:
        opened = Watched(browser, offline=True, viewport=PHONE)
        opened.page.goto(file.as_uri())
        yield opened
        assert opened.external() == opened.errors == []


def answer(watched: Watched, exercise: str, **fields: str) -> str:
    """Fill in an answer, send it by keyboard, and return the verdict."""
    name = f"live-exercise-{exercise}"
    figure = watched.page.locator(f".{name}")
    for field, value in fields.items():
        figure.locator(f"[name={field}]").fill(value)
    check = figure.get_by_role("button", name="Check")
    check.focus()
    watched.page.keyboard.press("Enter")
    wait_until(watched.page, SAID, name)
    said: str = figure.locator(".live-status").text_content()
    assert figure.locator(".live-note").text_content() == said
    return said


def price(watched: Watched, without: int, cached: int) -> str:
    said = {"without": str(without), "with": str(cached)}
    return answer(watched, "price", **said)


def test_numbers_of_tokens_are_counted(watched: Watched) -> None:
    m, n = 10, 5
    without, cached = n * m + n * (n - 1) // 2, m + n - 1
    assert "without the cache the model read more" in price(
        watched, n * m, cached
    )
    assert "with the cache the model read fewer" in price(
        watched, without, m + n
    )
    assert price(watched, without, cached) == "Solved."


def test_fault_does_not_give_the_answer_away(watched: Watched) -> None:
    said = price(watched, 1, 2)
    assert not re.search(r"\d", said), said


@pytest.mark.parametrize(
    ("question", "reply", "fault"),
    [
        ("How are you?", "Fine.", "asks for no conversion"),
        (QUESTION, "13 * 453.6 = 5896.8.", "no answer in its tag"),
        (QUESTION, "<answer>13</answer>", "wrong answer"),
        (
            QUESTION,
            "1 lb = 454.6 g. 13 * 454.6 = 5896.8. <answer>5896.8</answer>",
            "false statement",
        ),
        (
            "How many gram are in 14 kg?",
            "1 kg = 1000 g. 14 * 1000 = 14000. <answer>14000</answer>",
            "its answer is round",
        ),
    ],
)
def test_fault_of_an_example_is_named(
    watched: Watched, question: str, reply: str, fault: str
) -> None:
    said = answer(watched, "example", question=question, reply=reply)
    assert said.startswith("Not yet: ")
    assert fault in said


def test_example_is_tried_on_the_model(watched: Watched) -> None:
    steps = "1 lb = 453.6 g. 13 * 453.6 = 5896.8. "
    good = steps + "<answer>5896.8</answer>"
    said = answer(watched, "example", question=QUESTION, reply=good)
    assert said == "Solved."


def test_exercises_are_accessible_in_the_dark(watched: Watched) -> None:
    page = watched.page
    page.emulate_media(color_scheme="dark")
    page.evaluate(AXE_SCRIPT)
    assert page.evaluate(ASK_AXE) == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
