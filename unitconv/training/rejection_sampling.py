"""Rejection sampling: choose distinct correct completions of a question.

Different ways to an answer teach more than one way twice (Yuan et al. 2023,
arXiv:2308.01825).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from unitconv.evaluation.stats import Proportion
from unitconv.grading.expression_parser import chains
from unitconv.training.config import MAX_PATHS
from unitconv.training.examples import ReasoningExample
from unitconv.training.rollouts import Rollout, RolloutError, RolloutRecord

#: Policies of `select_examples`.
POLICIES = ("distinct", "random")


def check_policy(policy: str) -> None:
    """Raise `RolloutError` unless `policy` is one of `POLICIES`."""
    if policy not in POLICIES:
        raise RolloutError(
            f"unknown policy {policy!r}: choose from {', '.join(POLICIES)}"
        )


def path_key(text: str) -> tuple[str, ...]:
    """Return the reasoning path of a text: its equations, in order."""
    return tuple(
        f"{left.text if left else '?'} = {right.text if right else '?'}"
        for pairs in chains(text)
        for left, right in pairs
    )


def select_examples(
    records: Sequence[RolloutRecord],
    max_paths: int = MAX_PATHS,
    policy: str = "distinct",
    seed: int = 0,
) -> list[ReasoningExample]:
    """Choose at most `max_paths` completions a question, all distinct.

    The policy `distinct` takes the first that are kept. `random`, the
    control, draws as many from all with an answer, right or wrong.

    Raises:
        RolloutError: unknown policy.
    """
    check_policy(policy)
    examples = []
    for record in records:
        chosen = _distinct_paths(_examples(record, record.kept), max_paths)
        if policy == "random":
            rng = random.Random(f"{seed} {record.question}")
            pool = [r for r in record.rollouts if r.answer is not None]
            rng.shuffle(pool)
            chosen = _distinct_paths(_examples(record, pool), len(chosen))
        examples += chosen
    return examples


def merge_rounds(
    earlier: Sequence[ReasoningExample],
    records: Sequence[RolloutRecord],
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
    records: Sequence[RolloutRecord], samples: int | None = None
) -> Proportion:
    """Share of questions with a kept completion in the first `samples`."""
    successes = sum(
        any(r.reason is None for r in record.rollouts[:samples])
        for record in records
    )
    return Proportion(successes, len(records))


def success_rate_by_family(
    records: Sequence[RolloutRecord],
) -> dict[str, Proportion]:
    """`success_rate` for each family of units."""
    families = sorted({record.family for record in records})
    return {
        family: success_rate([r for r in records if r.family == family])
        for family in families
    }


def outcome_counts(records: Sequence[RolloutRecord]) -> Counter[str]:
    """Count completions by outcome: kept, or the reason for rejection."""
    rollouts = [r for record in records for r in record.rollouts]
    return Counter(rollout.reason or "kept" for rollout in rollouts)
