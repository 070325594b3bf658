"""Reasoning paths: which equations a text states, and whether in steps.

Two texts take the same path if they state the same equations, however
these are spelled: `6 x 1,000 g = 6000` and `1000 * 6.0 = 6000 gram`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from unitconv.grading.expression_parser import (
    UNKNOWN,
    Expression,
    Side,
    chains,
)


def path_key(text: str) -> tuple[str, ...]:
    """Return the reasoning path of a text: its equations, in order.

    Spaces, repetitions and the spellings of operators, units and numbers
    make no difference; nor do the order of factors, of addends and of the
    two sides, and units within a calculation.

    >>> path_key("1 kg = 1000 grams. 6 x 1,000 = 6000.0 g")
    ('1 kg = 1000 g', '6 * 1000 = 6000')
    """
    equations = {
        _write_equation(left, right): None
        for pairs in chains(text)
        for left, right in pairs
        if left and right
    }
    return tuple(equations)


@dataclass(frozen=True)
class Steps:
    """Calculations in a text; equal ones, and factors of 1, count once."""

    products: int
    sums: int
    chained: bool  #: a product of three factors, or of a product's result


def reasoning_steps(text: str) -> Steps:
    """Count the products and sums that a text states."""
    products: set[str] = set()
    sums: set[str] = set()
    results: set[str] = set()
    chained = False
    for left, right in (pair for pairs in chains(text) for pair in pairs):
        for side in (left, right):
            terms = list(_terms(side.expression)) if side else []
            if len(terms) > 1 and side:
                sums.add(_write(side))
            for _, term in terms:
                parts = [f for _, f in _factors(term) if f != "1"]
                if len(parts) > 1:
                    products.add(" ".join(sorted(parts)))
                    seen = not results.isdisjoint(parts)
                    chained = chained or seen or len(parts) > 2
        if left and right and left.expression.operator in ("*", "/"):
            results.add(_write(right))
    return Steps(len(products), len(sums), chained)


def uses_steps(text: str) -> bool:
    """Return True for partial products with a sum, or a chain of products.

    >>> uses_steps("7 * 453.6 = 3175.2. 0.5 * 453.6 = 226.8. "
    ...            "3175.2 + 226.8 = 3402")
    True
    """
    steps = reasoning_steps(text)
    return steps.chained or (steps.products > 1 and steps.sums > 0)


def _write_equation(left: Side, right: Side) -> str:
    """Write a calculation before its result, and a fact in fixed order."""
    relation = f" {right.relation} "
    if left.is_quantity and right.has_operator:
        # "6 kg = 6 * 1000 g": what is converted, no result.
        return _write_quantity(left) + relation + _write(right)
    if left.has_operator or right.has_operator:
        sides = sorted((left, right), key=lambda s: not s.has_operator)
        if left.has_operator and right.has_operator:
            return relation.join(sorted(map(_write, sides)))
        return relation.join(map(_write, sides))
    return relation.join(sorted(map(_write_quantity, (left, right))))


def _write_quantity(side: Side) -> str:
    if side.unit in (None, UNKNOWN):
        return side.text
    return f"{side.value:.12g} {side.unit}"


def _write(side: Side) -> str:
    """Write an expression without units; as it is if it is cut short."""
    if math.isnan(side.value) and not side.expression.operator:
        return side.text
    return _write_sum(side.expression)


def _write_sum(expression: Expression) -> str:
    terms = sorted(
        (sign, _write_product(term)) for sign, term in _terms(expression)
    )
    return " ".join(f"{s} {t}" for s, t in terms).removeprefix("+ ")


def _write_product(expression: Expression) -> str:
    factors = sorted(
        _factors(expression), key=lambda f: (f[0], len(f[1]), f[1])
    )
    return " ".join(f"{s} {t}" for s, t in factors).removeprefix("* ")


def _terms(
    expression: Expression, negative: bool = False
) -> Iterator[tuple[str, Expression]]:
    """Yield what is added and subtracted, with its sign."""
    if expression.operator not in ("+", "-"):
        yield "-" if negative else "+", expression
        return
    left, right = expression.operands
    yield from _terms(left, negative)
    yield from _terms(right, negative != (expression.operator == "-"))


def _factors(
    expression: Expression, inverse: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield what a product is multiplied with and divided by, written."""
    if expression.operator in ("*", "/"):
        left, right = expression.operands
        yield from _factors(left, inverse)
        yield from _factors(right, inverse != (expression.operator == "/"))
    elif expression.operator:
        yield "/" if inverse else "*", f"({_write_sum(expression)})"
    else:
        yield "/" if inverse else "*", f"{expression.value:.12g}"
