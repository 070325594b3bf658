"""Arithmetic on paper: rounding, and products in written steps.

Two rules round every number of the corpus and of reasoning that is written
by code, so that a model can learn them:

- a **fact** carries four significant digits: 453.6, 0.03281, 31560000;
- a **result** keeps every digit before the point and at most three after
  it, or four significant digits where that is more: 7 * 453.6 = 3175.2
  and 7 * 0.00001 = 0.00007.

No exponents, no thousands separators, no trailing zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
Equation = tuple[str, Decimal]  #: an expression and its value


def as_decimal(value: Fraction) -> Decimal:
    """Convert a fraction to 60 digits, far more than are written."""
    return EXACT.divide(Decimal(value.numerator), value.denominator)


def round_fact(value: Decimal) -> Decimal:
    """Round to four significant digits."""
    return _round(value, 3 - value.adjusted())


def round_result(value: Decimal) -> Decimal:
    """Round to three decimals, or to four significant digits if finer."""
    return _round(value, max(3, 3 - value.adjusted()))


def write(value: Decimal) -> str:
    """Write plain digits: 3175.2, never 3.1752E+3 and never 3175.200."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _round(value: Decimal, decimals: int) -> Decimal:
    """Round half up to `decimals` places; -1 rounds to tens."""
    unit = Decimal(1).scaleb(-decimals)
    return value.quantize(unit, context=EXACT)


def has_one_digit(value: Decimal) -> bool:
    """Return True for 7, 0.07 and 7000: one digit that is not zero."""
    return len(value.normalize().as_tuple().digits) == 1


def needs_steps(quantity: Decimal, factor: Decimal) -> bool:
    """Return True if both have two digits or more that are not zero.

    A quantity of more than four digits, such as the result of an earlier
    step, would take too many.
    """
    digits = len(quantity.normalize().as_tuple().digits)
    return 2 <= digits <= 4 and not has_one_digit(factor)


def place_values(number: Decimal) -> list[Decimal]:
    """Split a number by its digits: 7.75 into 7, 0.7 and 0.05."""
    number = number.normalize()
    digits = number.as_tuple().digits
    return [
        Decimal(digit).scaleb(number.adjusted() - position)
        for position, digit in enumerate(digits)
        if digit
    ]


def multiply_in_steps(
    quantity: Decimal, factor: Decimal, times: str = "*"
) -> list[Equation]:
    """Write a product as products with one digit, and sums of two.

    The quantity is split by its digits. Of 7.75 * 453.6:

        7 * 453.6 = 3175.2, 0.7 * 453.6 = 317.52, 0.05 * 453.6 = 22.68,
        3175.2 + 317.52 = 3492.72, 3492.72 + 22.68 = 3515.4
    """
    parts = place_values(quantity)
    products = [round_result(part * factor) for part in parts]
    steps = [
        (f"{write(part)} {times} {write(factor)}", product)
        for part, product in zip(parts, products, strict=True)
    ]
    total = products[0]
    for product in products[1:]:
        expression = f"{write(total)} + {write(product)}"
        total = round_result(total + product)
        steps.append((expression, total))
    return steps


def write_steps(equations: Sequence[Equation]) -> str:
    """Write equations as sentences, and the last value as the answer."""
    steps = "".join(f"{e} = {write(value)}. " for e, value in equations)
    _, result = equations[-1]
    return f"{steps}<answer>{write(result)}</answer>"
