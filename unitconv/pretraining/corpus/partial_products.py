"""Multiplication in written steps: partial products and their sums.

    7.75 * 453.6: 7 * 453.6 = 3175.2, 0.7 * 453.6 = 317.52,
    0.05 * 453.6 = 22.68, 3175.2 + 317.52 = 3492.72,
    3492.72 + 22.68 = 3515.4

Each step is a product with one digit, or a sum of two numbers.
"""

from __future__ import annotations

from decimal import Decimal

from unitconv.pretraining.corpus.number_format import (
    has_one_digit,
    round_result,
    write,
)

Equation = tuple[str, Decimal]  #: an expression and its value


def needs_steps(quantity: Decimal, factor: Decimal) -> bool:
    """Return True if both have two digits or more that are not zero."""
    return not (has_one_digit(quantity) or has_one_digit(factor))


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

    The number with fewer digits is split, the quantity where both have
    the same number.
    """
    parts, other = place_values(quantity), factor
    if len(place_values(factor)) < len(parts):
        parts, other = place_values(factor), quantity
    products = [round_result(part * other) for part in parts]
    steps = [
        (f"{write(part)} {times} {write(other)}", product)
        for part, product in zip(parts, products, strict=True)
    ]
    total = products[0]
    for product in products[1:]:
        expression = f"{write(total)} + {write(product)}"
        total = round_result(total + product)
        steps.append((expression, total))
    return steps
