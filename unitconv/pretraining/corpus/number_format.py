"""Rounding and writing of every number in the corpus.

Two rules, so that a model can learn them:

- a **fact** carries four significant digits: 453.6, 0.03281, 31560000;
- a **result** keeps every digit before the point and at most three after
  it, or four significant digits where that is more: 7 * 453.6 = 3175.2
  and 7 * 0.00001 = 0.00007.

No exponents, no thousands separators, no trailing zeros.
"""

from __future__ import annotations

import random
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from unitconv.pretraining.config import CorpusConfig

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


def as_decimal(value: Fraction) -> Decimal:
    """Convert a fraction to 60 digits, far more than are written."""
    return _EXACT.divide(Decimal(value.numerator), value.denominator)


def round_fact(value: Decimal) -> Decimal:
    """Round to four significant digits."""
    return _round(value, 3 - value.adjusted())


def first_digit(value: Decimal) -> Decimal:
    """Truncate to the first digit: 2000 for 2268, and for 2999."""
    unit = Decimal(1).scaleb(value.adjusted())
    return value.quantize(unit, rounding=ROUND_DOWN, context=_EXACT)


def round_result(value: Decimal) -> Decimal:
    """Round to three decimals, or to four significant digits if finer."""
    return _round(value, max(3, 3 - value.adjusted()))


def write(value: Decimal) -> str:
    """Write plain digits: 3175.2, never 3.1752E+3 and never 3175.200."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def draw_quantity(rng: random.Random, config: CorpusConfig) -> Decimal:
    """Draw a quantity to ask about.

    `small_share` of them are in 1..12 and `half_share` are halves, small
    ones most often; the rest are larger numbers and decimals.
    """
    dice = rng.random()
    if dice < config.small_share:
        return Decimal(rng.randint(1, 12))
    if dice < config.small_share + config.half_share:
        below = rng.choices(range(12), [1 / (n + 1) for n in range(12)])[0]
        return Decimal(below) + Decimal("0.5")
    kind = rng.choices(range(4), weights=(6, 5, 4, 5))[0]
    if kind == 0:
        return Decimal(rng.randint(13, 99))
    if kind == 1:
        return Decimal(rng.randint(100, 999))
    if kind == 2:
        return Decimal(rng.randint(1, 199)) / 10
    return Decimal(rng.randint(1, 1999)) / 100


def has_one_digit(value: Decimal) -> bool:
    """Return True for 7, 0.07 and 7000: one digit that is not zero."""
    return len(value.normalize().as_tuple().digits) == 1


def _round(value: Decimal, decimals: int) -> Decimal:
    """Round half up to `decimals` places; -1 rounds to tens."""
    unit = Decimal(1).scaleb(-decimals)
    return value.quantize(unit, context=_EXACT)
