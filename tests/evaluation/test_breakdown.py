"""Breakdowns: by difficulty, and by number of samples."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import mean

import pytest

from unitconv.evaluation.breakdown import (
    by_difficulty,
    by_product,
    sampling_curves,
)
from unitconv.evaluation.grade import Graded, grade
from unitconv.evaluation.stats import Proportion, pass_at_k
from unitconv.inference.llm import Generation
from unitconv.task.dataset import Question
from unitconv.task.question_parser import DIFFICULTIES, parse_question

ASKED = {
    "How many g are in 9 kg?": (9000, "1 digit"),
    "How many g are in 12 kg?": (12000, "2 digits"),
    "How many g are in 345 kg?": (345000, "3 digits"),
    "How many g are in 0.5 kg?": (500, "decimals"),
    "How many seconds are in 2 days?": (172800, "two-hop"),
    "9 mph to m/s": (4.023, "two-hop"),
}
CHAIN = "2 * 24 = 48. 48 * 3600 = 172800. <answer>172800</answer>"


def reply(question: str, text: str, n_tokens: int = 5) -> Graded:
    asked = Question(question, ASKED[question][0])
    return grade(asked, Generation(text, n_tokens, True))


def test_replies_are_grouped_by_the_difficulty_of_the_question() -> None:
    rows = [reply(question, CHAIN, i) for i, question in enumerate(ASKED)]
    groups = by_difficulty(rows)
    assert list(groups) == list(DIFFICULTIES)
    two_hop = groups["two-hop"]
    assert two_hop.accuracy == Proportion(1, 2)
    assert two_hop.steps == Proportion(2, 2)
    assert two_hop.tokens == 4.5
    for question, (_, kind) in ASKED.items():
        assert kind in by_difficulty([reply(question, "")])


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many g are in 345 kg?", "short product"),
        ("How many lb are in 7 kg?", "short product"),
        ("How many lb are in 70 kg?", "short product"),
        ("How many lb are in 12 kg?", "long product"),
        ("How many lb are in 0.75 kg?", "long product"),
    ],
)
def test_products_of_two_long_numbers_are_long(
    question: str, kind: str
) -> None:
    conversion = parse_question(question)
    assert conversion
    asked = Question(question, conversion.answer)
    row = grade(asked, Generation(CHAIN, 5, True))
    assert list(by_product([row])) == [kind]


@pytest.mark.parametrize(("n", "correct"), [(5, 0), (5, 2), (6, 5), (6, 6)])
def test_pass_at_k_is_the_mean_over_all_choices(
    n: int, correct: int
) -> None:
    right = [i < correct for i in range(n)]
    for k in range(1, n + 1):
        expected = mean(any(c) for c in combinations(right, k))
        assert math.isclose(pass_at_k(n, correct, k), expected)


@pytest.mark.parametrize(
    "bad", [(3, 4, 1), (3, -1, 1), (3, 1, 4), (3, 1, 0)]
)
def test_pass_at_k_refuses_impossible_counts(
    bad: tuple[int, int, int],
) -> None:
    n, correct, k = bad
    with pytest.raises(ValueError, match="drawn"):
        pass_at_k(n, correct, k)


def test_curves_of_pass_majority_and_audited_choice() -> None:
    question = "How many g are in 9 kg?"
    right = "1 kg = 1000 g. 9 * 1000 = 9000. <answer>9000</answer>"
    false = "1 kg = 100 g. 9 * 100 = 900. <answer>900</answer>"
    bare = "<answer>900</answer>"
    rows = [
        [reply(question, text) for text in texts]
        for texts in (
            [false, right, false, bare],  # only the audit finds it
            [right, right, bare, ""],  # so does the majority
        )
    ]
    curves = sampling_curves(rows)
    assert {k: r["rate"] for k, r in curves["pass_at_k"].items()} == {
        "1": mean([1 / 4, 1 / 2]),
        "2": mean([1 / 2, 5 / 6]),
        "4": 1,
    }
    assert curves["majority"]["4"]["rate"] == 0.5
    assert curves["best_of_n"]["4"]["rate"] == 1
    assert curves["best_of_n"]["2"]["rate"] == mean([1 / 2, 1 / 2])
    assert curves["best_of_n"]["1"] == curves["majority"]["1"]
    for rates in curves.values():
        for found in rates.values():
            low, high = found["ci95"]
            assert 0 <= low <= found["rate"] <= high <= 1
