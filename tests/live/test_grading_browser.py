"""The grader in Chromium, opened from disk, and the marks it draws."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import Watched, open_browser
from tests.live.grading_page import graded, make_html, without_places

GRAMS = "How many gram are there per 6 kg?"
REPLY = (
    "1 kg = 1000 g; 6 * 1000 = 600 <i>, 5 apples = 3 pears. "
    "<answer>600</answer>"
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Test</title>
<link rel="stylesheet" href="marks.css">
<script src="load.js"></script>
<p id="reply"></p>
"""
GRADE = """async ([question, truth, reply]) => {
  await unitconv.loadGrader();
  return unitconv.grade({ text: question, answer: truth }, reply);
}"""
MARK = """([reply, claims]) => {
  const place = document.getElementById("reply");
  place.append(unitconv.markReply(reply, claims));
  return [...place.childNodes].map((node) => [
    node.textContent,
    node.className ?? "",
    node.className ? getComputedStyle(node).textDecorationStyle : "",
  ]);
}"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    file = make_html(tmp_path_factory.mktemp("html")) / "page.html"
    file.write_text(PAGE, encoding="utf-8")
    with open_browser() as browser:
        watched = Watched(browser, offline=True)
        watched.page.goto(file.as_uri())
        yield watched


def test_grades_from_disk(watched: Watched) -> None:
    found = watched.page.evaluate(GRADE, [GRAMS, 6000.0, REPLY])
    assert without_places(found) == graded(GRAMS, 6000.0, REPLY)
    assert watched.external() == watched.errors == []


def test_claims_are_underlined_by_verdict(watched: Watched) -> None:
    page = watched.page
    claims = page.evaluate(GRADE, [GRAMS, 6000.0, REPLY])["claims"]
    assert page.evaluate(MARK, [REPLY, claims]) == [
        ["1 kg = 1000 g", "claim claim-true", "solid"],
        [" (true fact)", "claim-words visually-hidden", "solid"],
        ["; ", "", ""],
        ["6 * 1000 = 600", "claim claim-false", "wavy"],
        [" (false calculation)", "claim-words visually-hidden", "solid"],
        [" <i>, ", "", ""],
        ["5 apples = 3 pears", "claim claim-unread", "dotted"],
        [
            " (fact that was not checked)",
            "claim-words visually-hidden",
            "solid",
        ],
        [". <answer>600</answer>", "", ""],
    ]
