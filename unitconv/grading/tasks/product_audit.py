"""Audit of a written product: every digit, and steps from its factors.

Each number means a set of factors: in 47 * 36 the 40 of `40 * 36 = 1440`
means a part of 47, and 1440 a part of 47 times 36. Products unite what
their numbers mean, sums keep what all terms mean. The answer follows if it
means both factors, or a number of times one of them, as the 1692 of
`50 * 36 - 3 * 36 = 1692`; a number that only happens to be right means
nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from itertools import product

from unitconv.grading.audit import Audit, is_too_long, judge, read_reply
from unitconv.grading.expression_parser import Expression
from unitconv.grading.reasoning.claims import Claim, Link
from unitconv.task.arithmetic import place_values

#: Relative error below which all digits agree.
EXACT = 1e-9

# What a number may mean, with the claims that say so: "first" and "second"
# are a factor or a part of it, "all of first" only the factor itself.
Meanings = dict[frozenset[str], frozenset[int]]
_NAMES = "first", "second"
_GOALS = frozenset(_NAMES), *(frozenset({f"all of {n}"}) for n in _NAMES)


def audit_product(
    text: str, factors: tuple[int, int] | None, answer: float
) -> Audit:
    """Check the equations of a reply, and that they lead to its answer.

    Results must be right to the last digit. The answer must be the product
    of the factors, the last number that is stated before the tag, and
    follow from the factors by products, sums and differences.

    Args:
        text: the reply.
        factors: those of the question; None if they cannot be read.
        answer: parsed from the reply.
    """
    before, after = (
        [link for links in part for link in links]
        for part in read_reply(text)
    )
    used = None
    if factors is not None and not is_too_long(text, before):
        used = _claims_used(before, factors, answer)
    claims = [_check_digits(link) for link in before + after]
    return judge([claim for claim in claims if claim], used)


def _check_digits(link: Link) -> Claim | None:
    """Call a claim false whose sides differ in a digit."""
    if link.claim and link.holds and not _is_exact(link):
        return replace(link.claim, verdict=False)
    return link.claim


def _is_exact(link: Link) -> bool:
    if link.left is None or link.claim is None:
        return True
    if link.claim.kind == "fact":  # about units: not of this task
        return True
    return math.isclose(link.left.value, link.right.value, rel_tol=EXACT)


def _claims_used(
    links: list[Link], factors: tuple[int, int], answer: float
) -> frozenset[int] | None:
    """Return which claims the answer follows from; None if from none."""
    truth = math.prod(factors)
    stated = [answer, *(link.right.value for link in links[-1:])]
    if len(stated) < 2 or any(
        not math.isclose(value, truth, rel_tol=EXACT) for value in stated
    ):
        return None
    known = _given(factors)
    for link in links:
        if link.left and link.claim and link.holds and _is_exact(link):
            found = known.setdefault(_key(link.right.value), {})
            for side in (link.left, link.right):
                meanings = _meanings(side.expression, known)
                for meaning, claims in meanings.items():
                    found.setdefault(meaning, claims | {link.index})
    found = known.get(_key(truth), {})
    return next((found[goal] for goal in _GOALS if goal in found), None)


def _given(factors: tuple[int, int]) -> dict[float, Meanings]:
    """Return what the factors and their place values mean."""
    known: dict[float, Meanings] = {}
    for name, factor in zip(_NAMES, factors, strict=True):
        for part in [Decimal(factor), *place_values(Decimal(factor))]:
            meanings = known.setdefault(_key(float(part)), {})
            meanings[frozenset({name})] = frozenset()
        known[_key(factor)][frozenset({f"all of {name}"})] = frozenset()
    return known


def _meanings(
    expression: Expression, known: dict[float, Meanings]
) -> Meanings:
    if not expression.operator:
        # Any number may count: the 50 of 50 * 36.
        count: Meanings = {frozenset(): frozenset()}
        return count | known.get(_key(expression.value), {})
    left, right = (_meanings(part, known) for part in expression.operands)
    if expression.operator == "*":
        return {
            a | b: left[a] | right[b]
            for a, b in product(left, right)
            if a.isdisjoint(b)
        }
    if expression.operator == "/":
        return {}
    return {a: left[a] | right[a] for a in left if a in right}


def _key(value: float) -> float:
    return round(value, 6)
