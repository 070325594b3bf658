"""Documents of bare arithmetic.

Most multiply by a possible conversion factor, since every conversion needs
such a product: one digit by a factor, more digits at once, or more digits
in partial products. Sums are those of partial products.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    draw_convention,
    draw_pair,
    fact,
)
from unitconv.pretraining.corpus.number_format import (
    draw_quantity,
    round_fact,
    round_result,
    write,
)
from unitconv.pretraining.corpus.solution_formats import pick
from unitconv.task.arithmetic import (
    Equation,
    multiply_in_steps,
)

_FACTORS = CorpusConfig(alternative_share=0.3, near_alternative_share=0.3)
_LARGE = CorpusConfig(small_share=0, half_share=0)
# Powers of ten of a digit in a partial product: 0.07, 0.7, 7, 70, 700.
_PLACES, _PLACE_WEIGHTS = (-2, -1, 0, 1, 2), (2, 3, 8, 3, 2)
# Given a fixed factor, or None to draw one for each line.
EquationMaker = Callable[[random.Random, Decimal | None], Equation]


def arithmetic_document(rng: random.Random, config: CorpusConfig) -> str:
    """Generate equations of one kind, in one format."""
    kinds: dict[EquationMaker | None, int] = {
        _digit_product: config.digit_weight,
        _product: config.product_weight,
        None: config.steps_weight,
        _sum: config.sum_weight,
        _power_of_ten: config.power_weight,
        _round_product: config.round_weight,
        _quotient: config.quotient_weight,
    }
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    line, times = pick(rng, "equation"), pick(rng, "times")
    # A third of the documents are tables of one factor.
    factor = draw_factor(rng) if rng.random() < 1 / 3 else None
    if kind is None:
        return _products_in_steps(rng, line, times, factor)
    rows = []
    for _ in range(rng.randint(3, 10)):
        expression, value = kind(rng, factor)
        expression = expression.replace("*", times)
        rows.append(line.format(e=expression, r=write(value)))
    return "\n".join(rows)


def draw_factor(rng: random.Random) -> Decimal:
    """Draw a conversion factor, or a random number like one."""
    if rng.random() < 0.75:
        for _ in range(3):
            source, target = draw_pair(rng)
            factor = fact(source, target, draw_convention(rng, _FACTORS))
            # A power of ten moves the point and teaches no digits.
            if factor.normalize().as_tuple().digits != (1,):
                return factor
        return Decimal(10)
    mantissa = Decimal(rng.randint(1, 10 ** rng.randint(1, 4) - 1))
    return round_fact(mantissa.scaleb(rng.randint(-6, 2)))


def _products_in_steps(
    rng: random.Random, line: str, times: str, factor: Decimal | None
) -> str:
    """Write one to three products in steps, each with a title."""
    blocks = []
    for _ in range(rng.randint(1, 3)):
        quantity = draw_quantity(rng, _LARGE)
        other = draw_factor(rng) if factor is None else factor
        steps = multiply_in_steps(quantity, other, times)
        rows = [f"{write(quantity)} {times} {write(other)}:"]
        rows += [line.format(e=e, r=write(value)) for e, value in steps]
        blocks.append("\n".join(rows))
    return "\n".join(blocks)


def _digit_product(rng: random.Random, factor: Decimal | None) -> Equation:
    """Multiply one digit, at any place: 7 * 453.6 or 0.07 * 453.6."""
    place = rng.choices(_PLACES, _PLACE_WEIGHTS)[0]
    digit = Decimal(rng.randint(1, 9)).scaleb(place)
    return _multiply(rng, digit, factor)


def _product(rng: random.Random, factor: Decimal | None) -> Equation:
    """Multiply more digits at once: 7.75 * 453.6 = 3515.4."""
    return _multiply(rng, draw_quantity(rng, _LARGE), factor)


def _multiply(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Equation:
    """Write a product with a factor, sometimes the factor first."""
    factor = draw_factor(rng) if factor is None else factor
    pair = [write(quantity), write(factor)]
    if rng.random() < 0.2:
        pair.reverse()
    return " * ".join(pair), round_result(quantity * factor)


def _sum(rng: random.Random, factor: Decimal | None) -> Equation:
    """Write a sum of partial products, or a sum of two quantities."""
    if rng.random() < 0.2:
        a, b = draw_quantity(rng, _LARGE), draw_quantity(rng, _LARGE)
        return f"{write(a)} + {write(b)}", a + b
    factor = draw_factor(rng) if factor is None else factor
    steps = multiply_in_steps(draw_quantity(rng, _LARGE), factor)
    sums = [step for step in steps if "+" in step[0]]
    return rng.choice(sums) if sums else _sum(rng, None)


def _power_of_ten(rng: random.Random, factor: Decimal | None) -> Equation:
    quantity = draw_quantity(rng, CorpusConfig())
    power = Decimal(1).scaleb(rng.randint(-9, 9))
    value = round_result(quantity * power)
    return f"{write(quantity)} * {write(power)}", value


def _round_product(rng: random.Random, factor: Decimal | None) -> Equation:
    """Write a product with a round factor: 7 * 8000000 = 56000000."""
    quantity = draw_quantity(rng, CorpusConfig())
    round_factor = Decimal(rng.randint(1, 9)).scaleb(rng.randint(-6, 9))
    value = round_result(quantity * round_factor)
    return f"{write(quantity)} * {write(round_factor)}", value


def _quotient(rng: random.Random, factor: Decimal | None) -> Equation:
    quantity = draw_quantity(rng, CorpusConfig())
    divisor = rng.choice((2, 3, 4, 8, 10, 12, 16, 24, 60, 100, 1000))
    value = round_result(quantity / divisor)
    return f"{write(quantity)} / {divisor}", value
