"""From text to a grade: what was answered, is it right, and for the right
reasons?

Three questions, three functions. `parse_answer` reads the tag the model was
told to use and looks nowhere else: a parser that hunts for a number grades
itself, not the model. `is_correct` compares with the truth.
`audit_reasoning` checks every equation the text states, because an answer
inside the tolerance may come from wrong arithmetic.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from unitconv.grading.expression_parser import (
    BLANK,
    NUMBER,
    POWER,
    UNKNOWN,
    Side,
    chains,
    plain,
)
from unitconv.task.units import UnitError, convert, unit_pattern

# ------------------------------------------------------------ the answer

_ANSWER = re.compile(
    rf"""
    [\s{BLANK}]* (?:{unit_pattern()}[\s{BLANK}]+)?
    (?P<sign>[-+\u2212]?)
    (?P<number>{NUMBER}) \.?
    (?:
        [eE](?P<exponent>[-+\u2212]?\d+)
      | [\s{BLANK}]* [*x\u00d7\u00b7] [\s{BLANK}]* {POWER}
    )?
    [\s{BLANK}]* (?:{unit_pattern()}[\s{BLANK}]*)?
    """,
    re.VERBOSE | re.ASCII,
)
_OPEN, _CLOSE = "<answer>", "</answer>"


def parse_answer(text: str) -> float:
    """The number in the first complete `<answer>...</answer>`, or NaN.

    Reads integers, decimals, signs, thousands separators (a comma or a
    space, in groups of three), `1.5e3`, `9.461 * 10^15`, with spaces and a
    unit of `unitconv.task.units` around them. Anything else in the tag is
    no number, and what stands outside the tag is not looked at. Never
    raises.

    >>> parse_answer("6 * 1000 = 6000. <answer>6,000 g</answer>")
    6000.0
    >>> parse_answer("It is 6000.")
    nan
    """
    _, opened, rest = text.partition(_OPEN)
    inside, closed, _ = rest.partition(_CLOSE)
    if not (opened and closed):
        return math.nan
    match = _ANSWER.fullmatch(inside)
    if match is None:
        return math.nan
    return _to_float(match)


def _to_float(match: re.Match[str]) -> float:
    exponent = match["exponent"] or match["power"] or "0"
    value = float(plain(f"{match['sign']}{match['number']}e{exponent}"))
    return value if math.isfinite(value) else math.nan


# ------------------------------------------------------------- the grade

#: How far a right answer may be from the truth, as a share of it.
TOLERANCE = 0.05


def is_correct(
    answer: float, truth: float, tolerance: float = TOLERANCE
) -> bool:
    """Is the answer within 5 % of the truth, both rounded to 3 decimals?

    A truth that rounds to zero leaves no room: the answer must round to
    zero too. NaN, which stands for no answer, is never correct.
    """
    if not (math.isfinite(answer) and math.isfinite(truth)):
        return False
    got, wanted = round(answer, 3), round(truth, 3)
    if wanted == 0:
        return got == 0
    return abs(got - wanted) < tolerance * abs(wanted)


# ------------------------------------------------------------- the audit

#: How far the two sides of a true equation may lie apart.
AUDIT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Claim:
    """One equation a text states, and whether it holds.

    `arithmetic` is `6 * 1000 = 6000`; a `fact` is `1 kg = 1000 g`. The
    verdict is None where nothing can be checked: an unknown unit, a
    division by zero, a side that is only part of what was written.
    """

    text: str
    kind: Literal["arithmetic", "fact"]
    verdict: bool | None


def audit_reasoning(text: str) -> list[Claim]:
    """Every equation stated in `text`, in order, each checked.

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
        counted = None  # the "6 kg" of "6 kg = 6 * 1000 = 6000 g"
        for left, right in pairs:
            if left is None or right is None:
                counted = None
                continue
            claims.append(_judge(left, right))
            if left.is_quantity:
                counted = None if right.unit else left
            elif counted and right.unit:
                claims.append(_judge(counted, right))
                counted = None
    return [claim for claim in claims if claim]


def reasoning_is_valid(text: str) -> bool:
    """Does the text state something checkable, and nothing false?"""
    verdicts = [claim.verdict for claim in audit_reasoning(text)]
    return True in verdicts and False not in verdicts


def _judge(left: Side, right: Side) -> Claim | None:
    """The claim that two sides are equal; None if it says nothing."""
    text = f"{left.text} = {right.text}"
    if left.is_quantity and (right.is_quantity or right.unit):
        return Claim(text, "fact", _same_quantity(left, right))
    if left.is_quantity:  # "6 kg = 6 * 1000" lacks the unit it is in
        return None
    if not (left.has_operator or right.has_operator):
        return None  # "x is 5", "5 = 5": nothing was worked out
    if not (math.isfinite(left.value) and math.isfinite(right.value)):
        return Claim(text, "arithmetic", None)
    agrees = _close(left.value, right.value)
    return Claim(
        text, "arithmetic", agrees or bool(_same_quantity(left, right))
    )


def _same_quantity(left: Side, right: Side) -> bool | None:
    if left.unit is None or right.unit is None:
        return None
    if UNKNOWN in (left.unit, right.unit):
        return None
    if not (math.isfinite(left.value) and math.isfinite(right.value)):
        return None
    try:
        return _close(
            convert(left.value, left.unit, right.unit), right.value
        )
    except UnitError:
        return False
    except OverflowError:
        return None


def _close(a: float, b: float) -> bool:
    # What binary fractions leave of "0.1 + 0.2 - 0.3" counts as nothing.
    return math.isclose(a, b, rel_tol=AUDIT_TOLERANCE, abs_tol=1e-13)
