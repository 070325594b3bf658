"""Audit of reasoning: check every equation that a reply states."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from unitconv.grading.expression_parser import UNKNOWN, Side, chains
from unitconv.task.units import UnitError, convert

#: How far the two sides of a true equation may lie apart.
AUDIT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Claim:
    """An equation that a text states, and whether it holds.

    `arithmetic` is `6 * 1000 = 6000`; a `fact` is `1 kg = 1000 g`. The
    verdict is None where nothing can be checked: an unknown unit, a
    division by zero, a side that is only part of an expression.
    """

    text: str
    kind: Literal["arithmetic", "fact"]
    verdict: bool | None


def audit_reasoning(text: str) -> list[Claim]:
    """Check every equation stated in `text`, in order.

    An equation is two sides around `=` (or "is", "equals"): products,
    quotients, sums and differences of numbers, with or without units, and
    statements such as `1 kg = 1000 g` or "each foot has 12 inches". Both
    sides must agree within 1 %; facts are checked by pint. `a = b = c`
    makes two claims; so does `6 kg = 6 * 1000 = 6000 g`, the arithmetic
    and that its ends agree. The inside of an answer tag is no reasoning.
    Never raises.

    >>> [c.verdict for c in audit_reasoning("1 kg = 100 g. 6 * 100 = 600")]
    [False, True]
    """
    claims: list[Claim | None] = []
    for pairs in chains(text):
        start = None  # the "6 kg" of "6 kg = 6 * 1000 = 6000 g"
        for left, right in pairs:
            if left is None or right is None:
                start = None
                continue
            claims.append(_check(left, right))
            if left.is_quantity:
                start = None if right.unit else left
            elif start and right.unit:
                claims.append(_check(start, right))
                start = None
    return [claim for claim in claims if claim]


def reasoning_is_valid(text: str) -> bool:
    """Return True if the text states something true and nothing false."""
    verdicts = [claim.verdict for claim in audit_reasoning(text)]
    return True in verdicts and False not in verdicts


def _check(left: Side, right: Side) -> Claim | None:
    """Check that two sides are equal; None if that states nothing."""
    text = f"{left.text} = {right.text}"
    if left.is_quantity:
        if right.unit is None:  # "6 kg = 6 * 1000" lacks the unit it is in
            return None
        return Claim(text, "fact", _same_quantity(left, right))
    if not (left.has_operator or right.has_operator):
        return None  # "x is 5", "5 = 5": nothing was worked out
    if not (math.isfinite(left.value) and math.isfinite(right.value)):
        return Claim(text, "arithmetic", None)
    agrees = _close(left.value, right.value)
    return Claim(
        text, "arithmetic", agrees or bool(_same_quantity(left, right))
    )


def _same_quantity(left: Side, right: Side) -> bool | None:
    """Compare two quantities in one unit; None if that is impossible."""
    if left.unit is None or right.unit is None:
        return None
    if UNKNOWN in (left.unit, right.unit):
        return None
    if not (math.isfinite(left.value) and math.isfinite(right.value)):
        return None
    try:
        converted = convert(left.value, left.unit, right.unit)
    except UnitError:
        return False
    except OverflowError:
        return None
    return _close(converted, right.value)


def _close(a: float, b: float) -> bool:
    # The rest that binary fractions leave of "0.1 + 0.2 - 0.3" is zero.
    return math.isclose(a, b, rel_tol=AUDIT_TOLERANCE, abs_tol=1e-13)
