"""Documents of bare arithmetic: where the model learns its digits.

Most lines multiply a quantity by a number that a fact could hold, since
that is the product every conversion needs.
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
from unitconv.pretraining.corpus.solution_formats import TIMES, pick

# {e}: the expression, {r}: its value.
LINES: dict[str, int] = {
    "{e} = {r}": 12,
    "{e} is {r}": 1,
    "{e} -> {r}": 1,
    "{e} gives {r}.": 1,
    "{e} = {r}.": 2,
    "- {e} = {r}": 1,
}
# An expression and its value.
Sum = tuple[str, Decimal]


def arithmetic_document(rng: random.Random, config: CorpusConfig) -> str:
    """Three to ten lines of one kind, in one form."""
    kinds: dict[Callable[..., Sum], int] = {
        _product: 15,
        _power_of_ten: 1,
        _round_product: config.round_weight,
        _partial_products: 1,
        _quotient: 2,
        _addition: 1,
    }
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    line, times = pick(rng, LINES), pick(rng, TIMES)
    # A third of the product documents are tables of one factor.
    factor = draw_factor(rng) if rng.random() < 1 / 3 else None
    rows = []
    longest = 4 if kind is _partial_products else 10
    for _ in range(rng.randint(3, longest)):
        quantity = draw_quantity(rng, *config.quantities)
        expression, value = kind(rng, quantity, factor)
        expression = expression.replace("*", times)
        rows.append(line.format(e=expression, r=write(value)))
    return "\n".join(rows)


def draw_factor(rng: random.Random) -> Decimal:
    """A number a fact could hold: mostly a real one, seldom an easy one."""
    if rng.random() < 0.75:
        drawn = (
            fact(*draw_pair(rng), draw_convention(rng, 0.3, 0.3))
            for _ in range(3)
        )
        # A power of ten moves the point and teaches no digits.
        return next(
            (f for f in drawn if f.normalize().as_tuple().digits != (1,)),
            Decimal(10),
        )
    mantissa = Decimal(rng.randint(1, 10 ** rng.randint(1, 4) - 1))
    return round_fact(mantissa.scaleb(rng.randint(-6, 2)))


def _product(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Sum:
    factor = draw_factor(rng) if factor is None else factor
    pair = [write(quantity), write(factor)]
    if rng.random() < 0.2:
        pair.reverse()
    return " * ".join(pair), round_result(quantity * factor)


def _power_of_ten(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Sum:
    power = Decimal(1).scaleb(rng.randint(-9, 9))
    value = round_result(quantity * power)
    return f"{write(quantity)} * {write(power)}", value


def _round_product(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Sum:
    """7 * 8000000 = 56000000: its digits are easy, its zeros are not."""
    round_factor = Decimal(rng.randint(1, 9)).scaleb(rng.randint(-6, 9))
    value = round_result(quantity * round_factor)
    return f"{write(quantity)} * {write(round_factor)}", value


def _partial_products(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Sum:
    """47 * 3.5 = 40 * 3.5 + 7 * 3.5 = 140 + 24.5 = 164.5."""
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
) -> Sum:
    divisor = rng.choice((2, 3, 4, 8, 10, 12, 16, 24, 60, 100, 1000))
    value = round_result(quantity / divisor)
    return f"{write(quantity)} / {divisor}", value


def _addition(
    rng: random.Random, quantity: Decimal, factor: Decimal | None
) -> Sum:
    other = draw_quantity(rng, 0.3, 0.1)
    if rng.random() < 0.5 and other <= quantity:
        return f"{write(quantity)} - {write(other)}", quantity - other
    return f"{write(quantity)} + {write(other)}", quantity + other
