"""Quantities of the corpus, and how its numbers are rounded.

The rules of rounding are those of `unitconv.task.arithmetic`.
"""

from __future__ import annotations

import random
from decimal import ROUND_DOWN, Decimal

from unitconv.pretraining.config import CorpusConfig
from unitconv.task.arithmetic import (
    EXACT,
    as_decimal,
    round_fact,
    round_result,
    write,
)

__all__ = [
    "as_decimal",
    "draw_quantity",
    "first_digit",
    "round_fact",
    "round_result",
    "write",
]


def first_digit(value: Decimal) -> Decimal:
    """Truncate to the first digit: 2000 for 2268, and for 2999."""
    unit = Decimal(1).scaleb(value.adjusted())
    return value.quantize(unit, rounding=ROUND_DOWN, context=EXACT)


def draw_quantity(rng: random.Random, config: CorpusConfig) -> Decimal:
    """Draw a quantity to ask about.

    `small_share` of them are in 1..12 and `half_share` are halves, small
    ones most often; the rest are larger numbers and decimals.
    """
    dice = rng.random()
    if dice < config.small_share:
        more = [11] * (config.eleven_weight - 1)
        return Decimal(rng.choice([*range(1, 13), *more]))
    if dice < config.small_share + config.half_share:
        below = rng.choices(range(12), [1 / (n + 1) for n in range(12)])[0]
        return Decimal(below) + Decimal("0.5")
    kind = rng.choices(range(4), weights=(8, 4, 5, 3))[0]
    if kind == 0:
        return Decimal(rng.randint(13, 99))
    if kind == 1:
        return Decimal(rng.randint(100, 999))
    if kind == 2:
        return Decimal(rng.randint(1, 199)) / 10
    return Decimal(rng.randint(1, 999)) / 100
