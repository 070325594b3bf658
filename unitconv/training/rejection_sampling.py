"""Rejection sampling: choose distinct correct completions of a question.

Different ways to an answer teach more than one way twice (Yuan et al. 2023,
arXiv:2308.01825).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from unitconv.evaluation.grade import grade
from unitconv.evaluation.reasoning_path import path_key
from unitconv.evaluation.stats import Proportion
from unitconv.grading.answer import TOLERANCE
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.llm import Generation
from unitconv.task.dataset import Question
from unitconv.training.config import MAX_PATHS
from unitconv.training.examples import ReasoningExample
from unitconv.training.rollouts import (
    Rollout,
    RolloutError,
    RolloutRecord,
    rejection_reason,
)

#: Which completions `select_examples` chooses among: `strict`, those that
#: were kept; `audited`, also answers within 5 % instead of 1 %; `right`,
#: all answers within 5 %, whatever the reasoning; `random`, all answers.
POLICIES = ("strict", "audited", "right", "random")


def check_policy(policy: str) -> None:
    """Raise `RolloutError` unless `policy` is one of `POLICIES`."""
    if policy not in POLICIES:
        raise RolloutError(
            f"unknown policy {policy!r}: choose from {', '.join(POLICIES)}"
        )


def select_examples(
    records: Iterable[RolloutRecord],
    max_paths: int = MAX_PATHS,
    policy: str = "strict",
    seed: int = 0,
    task: Task = UNIT_CONVERSION,
) -> list[ReasoningExample]:
    """Choose at most `max_paths` completions a question, all distinct.

    A policy of `POLICIES` takes the first that it admits. `random`, the
    control, draws as many as `strict` has, from all with an answer.

    Raises:
        RolloutError: unknown policy.
    """
    return list(iter_examples(records, max_paths, policy, seed, task))


def iter_examples(
    records: Iterable[RolloutRecord],
    max_paths: int = MAX_PATHS,
    policy: str = "strict",
    seed: int = 0,
    task: Task = UNIT_CONVERSION,
) -> Iterator[ReasoningExample]:
    """Choose as `select_examples` does, one question after the other."""
    check_policy(policy)
    for record in records:
        limit, pool = max_paths, _admitted(record, policy, task)
        if policy == "random":
            kept = _examples(record, record.kept)
            limit = len(_distinct_paths(kept, max_paths))
            random.Random(f"{seed} {record.question}").shuffle(pool)
        yield from _distinct_paths(_examples(record, pool), limit)


def _admitted(
    record: RolloutRecord, policy: str, task: Task
) -> list[Rollout]:
    """List the completions that a policy admits, in sampling order."""
    if policy == "strict":
        return record.kept
    answered = [r for r in record.rollouts if r.answer is not None]
    if policy == "random":
        return answered
    right = [r for r in answered if r.reason != "wrong answer"]
    if policy == "right":
        return right
    return [r for r in right if _passes_audit(record, r, task)]


def _passes_audit(
    record: RolloutRecord, rollout: Rollout, task: Task
) -> bool:
    if rollout.reason != "near miss":
        return rollout.reason is None
    # The recorded reason does not say what the audit thinks of it.
    generation = Generation(
        rollout.text, rollout.n_tokens, rollout.finished
    )
    question = Question(record.question, record.answer)
    graded = grade(question, generation, task)
    return rejection_reason(graded, TOLERANCE) is None


def merge_rounds(
    earlier: Iterable[ReasoningExample],
    records: Iterable[RolloutRecord],
    max_paths: int,
) -> list[ReasoningExample]:
    """Add a new round's completions to the examples of earlier rounds.

    Keeps at most `max_paths` distinct paths a question, earlier ones first.
    """
    new = select_examples(records, max_paths)
    return _distinct_paths([*earlier, *new], max_paths)


def _examples(
    record: RolloutRecord, rollouts: Sequence[Rollout]
) -> list[ReasoningExample]:
    return [
        ReasoningExample(record.question, record.answer, r.text.strip())
        for r in rollouts
    ]


def _distinct_paths(
    examples: Sequence[ReasoningExample], max_paths: int
) -> list[ReasoningExample]:
    """Keep the first `max_paths` reasoning paths of each question."""
    by_question: dict[str, dict[tuple[str, ...], ReasoningExample]] = {}
    for example in examples:
        paths = by_question.setdefault(example.question, {})
        if len(paths) < max_paths:
            paths.setdefault(path_key(example.reasoning), example)
    return [e for paths in by_question.values() for e in paths.values()]


def success_rate(
    records: Iterable[RolloutRecord], samples: int | None = None
) -> Proportion:
    """Share of questions with a kept completion in the first `samples`."""
    outcomes = Counter(
        any(rollout.reason is None for rollout in record.rollouts[:samples])
        for record in records
    )
    return Proportion(outcomes[True], outcomes.total())


def success_rate_by_family(
    records: Iterable[RolloutRecord],
) -> dict[str, Proportion]:
    """`success_rate` for each family of units."""
    outcomes = Counter(
        (record.family, bool(record.kept)) for record in records
    )
    return {
        family: Proportion(
            outcomes[family, True],
            outcomes[family, True] + outcomes[family, False],
        )
        for family in sorted({family for family, _ in outcomes})
    }


def outcome_counts(records: Iterable[RolloutRecord]) -> Counter[str]:
    """Count completions by outcome: kept, or the reason for rejection."""
    return Counter(
        rollout.reason or "kept"
        for record in records
        for rollout in record.rollouts
    )
