"""The grader of the page says what the library says, of any text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regex_to_js import to_js
from sphinx.errors import ExtensionError

import unitconv
from tests.grading.test_audit import CASES, LEADS
from tests.grading.texts import HOSTILE, PIECES, rows, tagged
from tests.live.grading_page import (
    NODE,
    Page,
    audited,
    graded,
    parsed_answer,
    parsed_question,
    without_places,
)
from unitconv.task.dataset import load_split
from unitconv.task.units import ALTERNATIVE_UNITS, SPELLINGS
from unitconv.training.rollouts import read_rollouts

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node.js here")
RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
GRAMS = "How many gram are there per 6 kg?"

# Unicode has more letters, digits and blanks than ASCII, and some of them
# are the capitals of others.
ODD = [
    *"\0\t\r\v\f\x1c\x85\u200b\u2028\u3000\ufeff",
    *"\u017f\u0130\u0131\u212aéßΣ五٣½Ⅷ②𝟔😀\u0301",
]
NUMBERS = st.one_of(
    st.integers(-9999, 9_999_999).map(str),
    st.integers(1000, 9_999_999).map("{:,}".format),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(["0", "2.50", "1e999", "5e-324", "0.0625", ".5"]),
)
ALTERNATIVES = [s for u in ALTERNATIVE_UNITS.values() for s in u.spellings]
UNITS = st.sampled_from([*SPELLINGS, *ALTERNATIVES, "Grams", "KG", "d"])
WORDS = st.sampled_from(
    rows(
        "is | equals | gives | which is | so we get | hence | half a | a |"
        "twice | two hundred and fifty | a dozen | times | divided by |"
        "of | plus | less than | more than | multiply | by | sum of | and |"
        "in | per | there are | number of | converted to | is not | or |"
        "wrong | about | step 1 | the answer: | apples | square | to | from"
    )
)
SIGNS = st.sampled_from(
    rows(
        "= | ≈ | ≠ | -> | → | + | - | − | * | × | / | ( | ) | . | , | : |"
        "\\frac{1}{2} | \\times | \\text{kg} | ** | $ | ^3 | ³ | 10^{3}"
    )
)
TOKENS = st.one_of(
    NUMBERS, UNITS, WORDS, SIGNS, st.sampled_from(ODD), st.text(max_size=3)
)
SENTENCES = st.lists(TOKENS, max_size=20).map(" ".join)
TEXTS = st.one_of(SENTENCES, PIECES)
REPLIES = st.builds(
    "{}{}{}".format, TEXTS, st.one_of(NUMBERS, TEXTS).map(tagged), TEXTS
)
QUESTIONS = st.one_of(
    st.sampled_from([GRAMS, "Convert from ounces to pints for 2.5 units."]),
    st.builds("How many {} are {} {}?".format, UNITS, NUMBERS, UNITS),
    SENTENCES,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(tmp_path_factory.mktemp("html")) as page:
        yield page


def agree(page: Page, question: str, truth: float, text: str) -> Any:
    """Compare both graders; return what that of the page says."""
    asked = {"text": question, "answer": truth}
    found = page.call("grade", asked, text)
    assert without_places(found) == graded(question, truth, text)
    return found


def test_recorded_replies(page: Page) -> None:
    for record in read_rollouts(RESULTS / "rollouts.jsonl.gz")[::40]:
        for rollout in record.rollouts[::3]:
            agree(page, record.question, record.answer, rollout.text)


@pytest.mark.parametrize(
    ("question", "text"),
    [(GRAMS, text) for text, _ in CASES]
    + [(question, reply) for question, reply, _ in LEADS],
)
def test_replies_of_the_tests_of_the_audit(
    page: Page, question: str, text: str
) -> None:
    agree(page, question, 6000.0, text)


@pytest.mark.parametrize("length", [3000, 3001])
def test_the_longest_reply_that_is_read(page: Page, length: int) -> None:
    reply = f"6 * 1000 = 6000. {tagged('6000')}".rjust(length)
    agree(page, GRAMS, 6000.0, reply)


def test_questions(page: Page) -> None:
    for question in load_split("test")[::5]:
        found = page.call("parseQuestion", question.text)
        assert found == parsed_question(question.text)
        assert found is not None


@settings(max_examples=200)
@given(text=REPLIES, question=QUESTIONS)
def test_any_reply(page: Page, text: str, question: str) -> None:
    agree(page, question, 6000.0, text)


@settings(max_examples=200)
@given(question=QUESTIONS)
def test_any_question(page: Page, question: str) -> None:
    found = page.call("parseQuestion", question)
    assert found == parsed_question(question)


@settings(max_examples=200)
@given(inside=st.one_of(NUMBERS, SENTENCES, PIECES))
def test_any_answer(page: Page, inside: str) -> None:
    text = tagged(inside)
    assert page.call("parseAnswer", text) == parsed_answer(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_replies(page: Page, text: str) -> None:
    agree(page, GRAMS, 6000.0, f"{text} {tagged('6000')}")


def digits(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+", text))


def test_claims_lie_where_their_numbers_are(page: Page) -> None:
    for record in read_rollouts(RESULTS / "rollouts.jsonl.gz")[::40]:
        text = record.rollouts[0].text
        found = page.call("auditReasoning", text, record.question)
        assert without_places(found) == audited(text, record.question)
        for claim in found["claims"]:
            place = text[claim["start"] : claim["end"]]
            assert digits(claim["text"]) <= digits(place), text


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Well, 6 * 5 = 30.", ["6 * 5 = 30"]),
        ("So **A kg** is about 1 000 g!", ["A kg** is about 1 000 g"]),
        ("There are 12 inches in a foot.", ["12 inches in a foot"]),
        (
            "Six times \\(\\frac{9}{3}\\) is 18.",
            ["Six times \\(\\frac{9}{3}\\) is 18"],
        ),
        ("it is 6 × 5 = <answer>30</answer>.", ["6 × 5 = <answer>30"]),
        ("3 less than 8 is 5", ["3 less than 8 is 5"]),
        ("1 ft = 12 in = 30 cm", ["1 ft = 12 in", "12 in = 30 cm"]),
        ("2 * 3 = 6 <answer>6</answer> 1+1=3", ["2 * 3 = 6", "1+1=3"]),
    ],
)
def test_places_of_claims(page: Page, text: str, places: list[str]) -> None:
    found = page.call("auditReasoning", text, GRAMS)["claims"]
    assert [text[c["start"] : c["end"]] for c in found] == places


def test_unknown_notation_is_refused() -> None:
    with pytest.raises(ExtensionError, match="atomic_group"):
        to_js("(?>a)b")
    with pytest.raises(ExtensionError, match="otherwise"):
        to_js("(a)?(?(1)b|c)")
