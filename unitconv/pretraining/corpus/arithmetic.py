"""Documents of bare arithmetic.

Most lines multiply a quantity by a possible conversion factor, since every
conversion needs such a product.
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

_ADDENDS = CorpusConfig(small_share=0.3, half_share=0.1, eleven_weight=1)
_FACTORS = CorpusConfig(alternative_share=0.3, near_alternative_share=0.3)
Equation = tuple[str, Decimal]  #: an expression and its value
# Given a quantity, and for some kinds a fixed factor.
EquationMaker = Callable[[random.Random, Decimal, Decimal | None], Equation]


def arithmetic_document(rng: random.Random, config: CorpusConfig) -> str:
    """Generate three to ten equations of one kind, in one format."""
    kinds: dict[EquationMaker, int] = {
        _product: 15,
        _power_of_ten: 1,
        _round_product: config.round_weight,
        _partial_products: 1,
        _quotient: 2,
        _addition: 1,
    }
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    line, times = pick(rng, "equation"), pick(rng, "times")
    # A third of the product documents are tables of one factor.
    factor = draw_factor(rng) if rng.random() < 1 / 3 else None
    rows = []
    longest = 4 if kind is _partial_products else 10
    for _ in range(rng.randint(3, longest)):
        quantity = draw_quantity(rng, config)
        expression, value = kind(rng, quantity, factor)
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


def _product(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Equation:
    """Write a product, in either order: 7 * 453.6 = 3175.2."""
    factor = draw_factor(rng) if factor is None else factor
    pair = [write(quantity), write(factor)]
    if rng.random() < 0.2:
        pair.reverse()
    return " * ".join(pair), round_result(quantity * factor)


def _power_of_ten(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Equation:
    power = Decimal(1).scaleb(rng.randint(-9, 9))
    value = round_result(quantity * power)
    return f"{write(quantity)} * {write(power)}", value


def _round_product(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Equation:
    """Write a product with a round factor: 7 * 8000000 = 56000000."""
    round_factor = Decimal(rng.randint(1, 9)).scaleb(rng.randint(-6, 9))
    value = round_result(quantity * round_factor)
    return f"{write(quantity)} * {write(round_factor)}", value


def _partial_products(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Equation:
    """Write a product as the sum of two partial products.

    47 * 3.5 = 40 * 3.5 + 7 * 3.5 = 140 + 24.5 = 164.5.
    """
    factor = draw_factor(rng) if factor is None else factor
    tens, ones = Decimal(10 * rng.randint(1, 9)), Decimal(rng.randint(1, 9))
    terms = [round_result(tens * factor), round_result(ones * factor)]
    f = write(factor)
    expression = (
        f"{write(tens + ones)} * {f} = {write(tens)} * {f} + "
        f"{write(ones)} * {f} = {write(terms[0])} + {write(terms[1])}"
    )
    return expression, round_result(sum(terms, Decimal(0)))


def _quotient(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Equation:
    divisor = rng.choice((2, 3, 4, 8, 10, 12, 16, 24, 60, 100, 1000))
    value = round_result(quantity / divisor)
    return f"{write(quantity)} / {divisor}", value


def _addition(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Equation:
    """Write a sum, or a difference of at least 0: 7 + 2.5 = 9.5."""
    other = draw_quantity(rng, _ADDENDS)
    if rng.random() < 0.5 and other <= quantity:
        return f"{write(quantity)} - {write(other)}", quantity - other
    return f"{write(quantity)} + {write(other)}", quantity + other
