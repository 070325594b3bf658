"""Answer parser and tolerance: from a reply to right or wrong.

A parser that looked for a number outside the answer tag would grade itself,
not the model.
"""

from __future__ import annotations

import math
import re

from unitconv.grading.lexer import BLANK, NUMBER, POWER, without_separators
from unitconv.task.units import unit_pattern

#: How far a right answer may be from the truth, as a share of it.
TOLERANCE = 0.05
#: How far two numbers that say the same may lie apart, likewise.
AUDIT_TOLERANCE = 0.01
#: How far a stated result may be from what its numbers give, likewise,
#: unless it is written with fewer digits.
ARITHMETIC_TOLERANCE = 0.001

_ANSWER = re.compile(
    rf"""
    [\s{BLANK}]* (?:(?P<before>{unit_pattern()})[\s{BLANK}]+)?
    (?P<sign>[-+\u2212]?)
    (?P<number>{NUMBER}) \.?
    (?:
        [eE](?P<exponent>[-+\u2212]?\d+) \.?
      | [\s{BLANK}]* [*x\u00d7\u00b7] [\s{BLANK}]* {POWER}
    )?
    [\s{BLANK}]* (?:(?P<unit>{unit_pattern()})[\s{BLANK}]*)?
    """,
    re.VERBOSE | re.ASCII,
)


def parse_answer(text: str) -> float:
    """Parse the number in the first complete `<answer>...</answer>`.

    Reads integers, decimals, signs, thousands separators (a comma or a
    space, in groups of three), `1.5e3`, `9.461 * 10^15`, with spaces and a
    unit of `unitconv.task.units` around them. Anything else in the tag is
    no number; text outside the tag is ignored. Never raises.

    >>> parse_answer("6 * 1000 = 6000. <answer>6,000 g</answer>")
    6000.0
    >>> parse_answer("It is 6000.")
    nan

    Returns:
        the number, or NaN if there is none.
    """
    match = _match(text)
    if match is None:
        return math.nan
    digits = without_separators(match["sign"] + match["number"])
    exponent = match["exponent"] or match["power"] or "0"
    value = float(f"{digits}e{without_separators(exponent)}")
    return value if math.isfinite(value) else math.nan


def answer_unit(text: str) -> str | None:
    """Return the unit beside the number in the tag; None if it has none."""
    match = _match(text)
    return (match["unit"] or match["before"]) if match else None


def _match(text: str) -> re.Match[str] | None:
    _, opened, rest = text.partition("<answer>")
    inside, closed, _ = rest.partition("</answer>")
    return _ANSWER.fullmatch(inside) if opened and closed else None


def is_correct(
    answer: float, truth: float, tolerance: float = TOLERANCE
) -> bool:
    """Return True if the answer is within 5 % of the truth.

    Both are rounded to 3 decimals first. A truth that rounds to zero leaves
    no room: the answer must round to zero too. NaN, which stands for no
    answer, is never correct.
    """
    if not (math.isfinite(answer) and math.isfinite(truth)):
        return False
    answer, truth = round(answer, 3), round(truth, 3)
    if truth == 0:
        return answer == 0
    return abs(answer - truth) < tolerance * abs(truth)
