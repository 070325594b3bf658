"""What is learned from: a few kept completions of every question.

Different ways to the same answer teach more than one way twice (Yuan et
al. 2023, arXiv:2308.01825). Two ways are different where their equations
are; the words around them do not count.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from unitconv.evaluation.stats import Proportion
from unitconv.grading.expression_parser import chains
from unitconv.training.config import PATHS
from unitconv.training.examples import Triple
from unitconv.training.rollouts import Record, Rollout

#: How training rows are chosen; see `select`.
POLICIES = ("distinct", "random")


def check_policy(policy: str) -> None:
    """Raises ValueError for a policy that is not one of `POLICIES`."""
    if policy not in POLICIES:
        raise ValueError(
            f"unknown policy {policy!r}: choose from {', '.join(POLICIES)}"
        )


def path_key(text: str) -> tuple[str, ...]:
    """The reasoning path of a text: its equations, without the words."""
    return tuple(
        f"{left.text if left else '?'} = {right.text if right else '?'}"
        for pairs in chains(text)
        for left, right in pairs
    )


def select(
    records: Sequence[Record],
    paths: int = PATHS,
    policy: str = "distinct",
    seed: int = 0,
) -> list[Triple]:
    """Training triples (question, answer, reasoning).

    Args:
        paths: at most so many for a question, all different.
        policy: `distinct` takes kept completions in the order they were
            sampled; `random`, the control, takes as many for each question,
            at random from all of its completions with an answer, right or
            wrong.

    Raises:
        ValueError: an unknown policy.
    """
    check_policy(policy)
    triples = []
    for record in records:
        chosen = _distinct(record.kept)[:paths]
        if policy == "random":
            rng = random.Random(f"{seed} {record.question}")
            pool = [r for r in record.rollouts if r.answer is not None]
            rng.shuffle(pool)
            chosen = _distinct(pool)[: len(chosen)]
        triples += [
            (record.question, record.answer, r.text.strip()) for r in chosen
        ]
    return triples


def join(
    triples: Sequence[Triple], records: Sequence[Record], paths: int
) -> list[Triple]:
    """The triples of earlier rounds and those of a new one.

    At most `paths` distinct paths a question, the older ones first: a
    path that two models have found counts once. Paths of several models
    are joined as in Yuan et al. 2023.
    """
    chosen: dict[str, dict[tuple[str, ...], Triple]] = {}
    for triple in [*triples, *select(records, paths)]:
        found = chosen.setdefault(triple[0], {})
        if len(found) < paths:
            found.setdefault(path_key(triple[2]), triple)
    return [t for found in chosen.values() for t in found.values()]


def _distinct(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """The first rollout of each path."""
    first: dict[tuple[str, ...], Rollout] = {}
    for rollout in rollouts:
        first.setdefault(path_key(rollout.text), rollout)
    return list(first.values())


def success(
    records: Sequence[Record], samples: int | None = None
) -> Proportion:
    """Questions with at least one kept among their first `samples`."""
    found = sum(
        any(r.reason is None for r in record.rollouts[:samples])
        for record in records
    )
    return Proportion(found, len(records))


def success_by_family(records: Sequence[Record]) -> dict[str, Proportion]:
    """`success` for the questions of each family of units."""
    families = sorted({record.family for record in records})
    return {
        family: success([r for r in records if r.family == family])
        for family in families
    }


def fates(records: Sequence[Record]) -> Counter[str]:
    """How many completions were kept, and how many fell to each reason."""
    return Counter(
        rollout.reason or "kept"
        for record in records
        for rollout in record.rollouts
    )
