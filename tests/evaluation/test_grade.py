"""The grade of one completion: verdicts and failure classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unitconv.evaluation.grade import FAILURES, Graded, grade, quantity_kind
from unitconv.grading.audit import reasoning_is_valid
from unitconv.inference.llm import Generation
from unitconv.task.dataset import Question
from unitconv.task.question_parser import parse_question

GRAMS = Question("How many gram are there per 6 kg?", 6000.0)
RIGHT = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"


def graded(text: str, question: Question = GRAMS) -> Graded:
    return grade(question, Generation(text, len(text), True))


def asking(text: str) -> Question:
    conversion = parse_question(text)
    assert conversion is not None
    return Question(text, conversion.answer)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (RIGHT, None),
        ("<answer>6,001 g</answer>", None),
        ("<answer>6000 kg</answer>", "another unit"),
        ("", "no answer"),
        ("1 kg = 1000 g. 6 * 1000 = 6000.", "no answer"),
        ("6 * 1000 = 6000. <answer>6000", "no answer"),
        ("<answer>six thousand</answer>", "no answer"),
        ("1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>", "wrong fact"),
        # A false fact comes first, whatever was made of it.
        ("1 kg = 100 g. 6 * 100 = 700. <answer>700</answer>", "wrong fact"),
        (
            "1 kg = 1000 g. 6 * 1000 = 8000. <answer>8000</answer>",
            "wrong arithmetic",
        ),
        ("6 * 900 = 540. <answer>540</answer>", "wrong arithmetic"),
        # Each statement is true, and still the units are upside down.
        ("1 g = 0.001 kg. <answer>0.006</answer>", "wrong direction"),
        ("1 kg = 0.001 g. <answer>0.006</answer>", "wrong direction"),
        # Right until the end, which says something else.
        ("1 kg = 1000 g. 6 * 1000 = 6000. <answer>5000</answer>", "other"),
        ("<answer>0</answer>", "other"),
        ("<answer>-6000</answer>", "other"),
    ],
)
def test_failure_class(text: str, failure: str | None) -> None:
    row = graded(text)
    assert row.failure == failure
    assert row.correct == (failure is None)
    assert row.answered == (failure != "no answer")


@pytest.mark.parametrize(
    ("asked", "reply", "failure"),
    [
        # 6 quarts are 5.678 l; divided they would be 6.340.
        ("6 quarts in l", "6.34", "wrong direction"),
        ("6 quarts in l", "6.38", "wrong direction"),
        # Nearer to the inverse than to the truth, and still just wrong.
        ("6 quarts in l", "6.1", "other"),
        # A UK gallon has 4.546 l and 160 fluid ounces of 28.41 ml.
        ("6 gallons in l", "27.28", "namesake"),
        ("60 l in gallons", "13.2", "namesake"),
        ("6 gallons in fluid ounces", "960", "namesake"),
        ("6 gallons in fluid ounces", "922.4", "namesake"),
        ("6 tons in lb", "12000", "namesake"),
        ("2 GB in bytes", "2147483648", "namesake"),
        # Two MiB would be graded right, so to be near them tells nothing.
        ("2 MB in bytes", "2097152", None),
        ("2 MB in bytes", "2110000", "other"),
        # Minutes instead of seconds, then days instead of hours.
        ("2 hours in s", "120", "another unit"),
        ("2 hours in s", "121", "another unit"),
        ("2 hours in s", "124", "other"),
        ("2 hours in s", "172800", "another unit"),
        # Both units exchanged: 2 days in minutes.
        ("2 hours in s", "2880", "other"),
        # The quantity again is no conversion at all.
        ("2 hours in s", "2", "other"),
        ("6 kg in g", "6", "other"),
        # 10 ft are 3.333 yd, and 3.048 m.
        ("10 ft in yd", "3.048", "another unit"),
        ("0 kg in g", "6", "other"),
        # 6 m^3 are 6e9 mm^3; the inverse, 6e-9, rounds to nothing.
        ("6 m^3 in mm^3", "0", "other"),
    ],
)
def test_failure_class_by_the_number_alone(
    asked: str, reply: str, failure: str | None
) -> None:
    row = graded(f"<answer>{reply}</answer>", asking(asked))
    assert row.failure == failure


@pytest.mark.parametrize(
    ("asked", "text", "failure"),
    [
        # To the audit this is false; it is true of the gallon in London.
        ("6 gallons in l", "1 gallon = 4.546 l: 27.28", "namesake"),
        ("6 m in mm", "1 m = 100 mm. 6 * 100 = 600", "wrong fact"),
        ("6 m in mm", "6 * 10 = 600", "wrong arithmetic"),
        ("6 m in mm", "1 m = 100 cm. 6 * 100 = 600", "another unit"),
        # No more than one reason, and the most specific one.
        ("11 m in km", "1 m = 1000 m: 11000", "wrong direction"),
    ],
)
def test_failure_class_by_what_the_text_states(
    asked: str, text: str, failure: str
) -> None:
    last = text.rpartition(" ")[2]
    row = graded(f"{text} <answer>{last}</answer>", asking(asked))
    assert row.failure == failure


@pytest.mark.parametrize(
    ("text", "facts", "arithmetic", "reasoning"),
    [
        (RIGHT, True, True, True),
        ("1 kg = 1000 g.", True, None, False),
        ("6 * 7 = 42", None, True, False),
        ("1 kg = 100 g. 6 * 7 = 42", False, True, False),
        ("1 kg = 1000 g. 1 kg = 10 g.", False, None, False),
        ("6 apples = 7 oranges. 6 * 7 = 42", None, True, False),
        ("6 apples = 7 oranges.", None, None, None),
        ("<answer>6000</answer>", None, None, None),
    ],
)
def test_verdicts_are_none_where_nothing_is_stated(
    text: str,
    facts: bool | None,
    arithmetic: bool | None,
    reasoning: bool | None,
) -> None:
    row = graded(text)
    assert (row.facts_ok, row.arithmetic_ok) == (facts, arithmetic)
    assert row.reasoning_ok is reasoning


def test_a_question_without_conversion_is_graded() -> None:
    question = Question("What is 6 times 7?", 42.0)
    assert graded("<answer>42</answer>", question).family == "unknown"
    row = graded("6 * 7 = 40. <answer>40.0</answer>", question)
    assert row.failure is None  # inside the tolerance
    row = graded("6 * 7 = 35. <answer>35</answer>", question)
    assert row.failure == "wrong arithmetic"


PIECES = st.sampled_from(
    [
        *("1 kg", "1000", "g", "6", "0.001", " ", " ", ". ", "\n", "-"),
        *(" = ", " * ", " / ", " + ", "apples", "é", "\x00", "10^400"),
        *("<answer>", "</answer>", "nan", "inf", "is", "(", ")", "0"),
    ]
)


@given(
    st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=40),
    st.sampled_from([GRAMS.text, "6 in to in", "2 B to bits?", "?"]),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_text_gets_one_grade(
    text: str, asked: str, truth: float
) -> None:
    row = graded(text, Question(asked, truth))
    assert (row.failure is None) == row.correct
    assert row.failure in (None, *FAILURES)
    assert row.answered == (row.failure != "no answer")
    assert (row.reasoning_ok is True) == reasoning_is_valid(text, asked)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many g are in 12 kg?", "1 to 12"),
        ("How many g are in 13 kg?", "13 to 99"),
        ("How many g are in 99 kg?", "13 to 99"),
        ("How many g are in 100 kg?", "100 and more"),
        ("How many g are in 0.5 kg?", "fractions"),
        ("How many g are in 100.5 kg?", "fractions"),
        ("How many?", None),
    ],
)
def test_quantity_kind(question: str, kind: str | None) -> None:
    assert quantity_kind(question) == kind
