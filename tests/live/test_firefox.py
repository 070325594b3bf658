"""The widgets in a stock Firefox, opened from disk and offline.

Every widget is on a small page that is built here; the first page of the
book is opened too where the book has been built.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.book import HTML
from tests.browser import PHONE
from tests.built import need_book
from tests.firefox import FirefoxPage, open_firefox
from tests.live.replies import MODELS, cases
from tests.live.widget_page import build_page

pytestmark = pytest.mark.slow

ASKED = "How many gallons are in 6 quarts?"
WIDGETS = {
    "tokens": "How many gram are there per 60000 kg?",
    "attention": "How many gram are there per 6 kg?",
    "kv-cache": "127 24",
    "next-token": "How many gram are there per 6 kg?",
    "padding": "How many cm are in 3 m?|2 h in min",
    "slots": "4",
    "prompting": "2",
    "rollouts": "pints in 461 gallon?",
    "rl": "pints in 461 gallon?",
    "exercise-price": "10 5",
    "exercise-example": "2 2",
}
# What a figure says; as drawn by the build, if the page's source is given.
SAID = """(name, source) => {
  const page = source === null ? document
    : new DOMParser().parseFromString(source, "text/html");
  const parts = page.querySelectorAll(
    [".live-note", ".live-text", "table"]
      .map((part) => `.live-${name} ${part}`));
  return [...parts].map((part) => part.textContent.replace(/\\s+/g, ""))
    .filter((text) => text !== "");
}"""
FORM = """(name) => getComputedStyle(
  document.querySelector(`.live-${name} form`)).display"""
GREEDY = """() => {
  const { elements } = document.querySelector(".ask-model form");
  elements.temperature.value = 0;
}"""
FORGET = """() => {
  document.querySelector(".ask-status").textContent = "";
}"""
ANSWERED = """() =>
  document.querySelector(".ask-status").textContent !== "" """
# A reply without the words that the grader adds for screen readers.
REPLY = """() => {
  const reply = document.querySelector(".ask-reply").cloneNode(true);
  reply.querySelectorAll(".claim-words").forEach((words) => words.remove());
  return reply.textContent;
}"""
USES_SIMD = """async (model) =>
  (await unitconv.load(model)).model.kernel.simd"""
IN_QUESTION = """() =>
  document.activeElement.matches(".ask-model [name=question]")"""
BEYOND = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a page with every widget."""
    directives = {f"live-{name}": what for name, what in WIDGETS.items()}
    return build_page(
        tmp_path_factory.mktemp("firefox"),
        {"ask-model": ASKED} | directives,
    )


@pytest.fixture(scope="module")
def firefox() -> Iterator[FirefoxPage]:
    with open_firefox() as page:
        yield page


@pytest.fixture
def page(firefox: FirefoxPage) -> Iterator[FirefoxPage]:
    """Watch what a test does with the page."""
    firefox.resize(PHONE)
    firefox.requests.clear()
    firefox.errors.clear()
    yield firefox
    assert firefox.external() == firefox.errors == []


def go_to_question(page: FirefoxPage) -> None:
    """Press the Tab key until the field of the question has the focus."""
    for _ in range(100):
        page.press("Tab")
        if page.evaluate(IN_QUESTION):
            return
    raise AssertionError("the question cannot be reached")


def send(page: FirefoxPage) -> str:
    """Send the form, wherever in it the focus is, and wait for a reply."""
    page.evaluate(FORGET)
    page.press("Enter")
    page.wait_until(ANSWERED)
    reply: str = page.evaluate(REPLY)
    return reply


def ask_every_model(page: FirefoxPage) -> None:
    """Ask by keyboard alone, from one model to the next."""
    page.evaluate(GREEDY)
    go_to_question(page)
    for model in MODELS:
        [case] = cases(model, [ASKED])
        assert send(page) == case.expected.text, model
        if page.evaluate(IN_QUESTION):
            page.press("Tab")  # to the model that is chosen
        page.press("ArrowRight")
    assert page.evaluate(USES_SIMD, MODELS[-1]) is True
    assert page.evaluate(BEYOND) <= 0


def test_question_is_answered_as_by_the_library(
    page: FirefoxPage, page_file: Path
) -> None:
    page.open(page_file.as_uri())
    ask_every_model(page)


def test_first_page_of_the_book(page: FirefoxPage) -> None:
    need_book()
    page.open((HTML / "book" / "intro.html").as_uri())
    ask_every_model(page)


def test_widgets_start_with_what_the_build_drew(
    page: FirefoxPage, page_file: Path
) -> None:
    source = page_file.read_text(encoding="utf-8")
    assert "Content-Security-Policy" in source
    page.open(page_file.as_uri())
    for name in WIDGETS:
        assert page.evaluate(FORM, name) != "none", name
        drawn = page.evaluate(SAID, name, source)
        assert page.evaluate(SAID, name, None) == drawn != []
    assert page.evaluate(BEYOND) <= 0
