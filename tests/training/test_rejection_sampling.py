"""Rejection sampling: distinct paths, the random control, merged rounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import unitconv
from unitconv.evaluation.stats import Proportion
from unitconv.inference.llm import Generation
from unitconv.task.dataset import TRAINING_SPLITS, Question, load_splits
from unitconv.training.examples import ReasoningExample, read_triples
from unitconv.training.rejection_sampling import (
    POLICIES,
    merge_rounds,
    outcome_counts,
    select_examples,
    success_rate,
    success_rate_by_family,
)
from unitconv.training.rollouts import (
    RolloutError,
    RolloutRecord,
    grade_completions,
    read_rollouts,
)

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
GRAMS = Question("How many gram are there per 6 kg?", 6000.0)
RIGHT = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
OTHER = "6 kg = 6 * 1000 g = 6000 g. <answer>6000</answer>"
LUCKY = "1 kg = 2000 g. 3 * 2000 = 6000. <answer>6000</answer>"
WRONG = "1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>"


def record(*texts: str) -> RolloutRecord:
    return grade_completions(
        GRAMS, [Generation(text, len(text), True) for text in texts]
    )


def example(reasoning: str) -> ReasoningExample:
    return ReasoningExample(GRAMS.text, GRAMS.answer, reasoning)


def test_distinct_paths_are_taken_in_order() -> None:
    words = RIGHT.replace(". 6", ", so 6")
    records = [record(WRONG, RIGHT, words, OTHER, LUCKY)]
    assert select_examples(records, 1) == [example(RIGHT)]
    assert select_examples(records, 5) == [example(RIGHT), example(OTHER)]
    assert select_examples([record(WRONG)], 3) == []
    with pytest.raises(
        RolloutError, match="strict, audited, right, random"
    ):
        select_examples(records, 1, "best")


def test_each_policy_admits_what_the_stricter_ones_do_and_more() -> None:
    near = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6100</answer>"
    false_near = "1 kg = 900 g. 6.8 * 900 = 6120. <answer>6120</answer>"
    records = [record(WRONG, LUCKY, false_near, near, OTHER, "")]
    chosen = {
        policy: select_examples(records, 5, policy) for policy in POLICIES
    }
    audited = [e.reasoning for e in chosen["audited"]]
    assert chosen["strict"] == [example(OTHER)]
    # Whether the audit passes `near` is its own affair.
    assert set(audited) - {near} == {OTHER}
    assert chosen["right"] == [
        *map(example, (LUCKY, false_near, near, OTHER))
    ]
    assert len(chosen["random"]) == 1


def test_the_control_takes_as_many_right_or_wrong() -> None:
    records = [
        replace(record(WRONG, RIGHT, LUCKY, ""), question=f"{i}")
        for i in range(200)
    ]
    control = select_examples(records, 1, "random")
    texts = [example.reasoning for example in control]
    assert len(texts) == 200
    assert {WRONG, RIGHT, LUCKY} == set(texts)
    assert 40 < texts.count(RIGHT) < 95
    assert control == select_examples(records, 1, "random")


def test_merged_rounds_keep_the_earlier_paths_first() -> None:
    earlier, later = example(RIGHT), example(OTHER)
    assert merge_rounds([earlier], [], 1) == [earlier]
    assert merge_rounds([earlier, earlier], [], 3) == [earlier]
    assert merge_rounds([earlier, later], [], 1) == [earlier]
    new = record(OTHER, RIGHT)
    assert merge_rounds([earlier], [new], 1) == [earlier]
    assert merge_rounds([earlier], [new], 3) == [earlier, later]
    assert merge_rounds([], [new], 1) == [later]


def test_counts_and_success_agree_with_the_records() -> None:
    records = [
        record(WRONG, RIGHT),
        replace(record("", OTHER), family="volume"),
        replace(record(LUCKY, WRONG), family="volume"),
        record(RIGHT, ""),
    ]
    assert outcome_counts(records) == {
        "kept": 3,
        "wrong answer": 2,
        "no answer": 2,
        "false statement": 1,
    }
    assert success_rate(records, 1) == Proportion(1, 4)
    assert success_rate(records) == Proportion(3, 4)
    assert success_rate_by_family(records) == {
        "mass": Proportion(2, 2),
        "volume": Proportion(1, 2),
    }


def test_the_shipped_rollouts_give_the_shipped_triples() -> None:
    records = read_rollouts(RESULTS / "rollouts.jsonl.gz")
    asked = load_splits(TRAINING_SPLITS)[: len(records)]
    assert [(r.question, r.answer) for r in records] == [
        (question.text, question.answer) for question in asked
    ]
    assert select_examples(records) == read_triples(RESULTS / "rft.json")
