"""Multiplication in steps gives the product, by steps a child can do."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unitconv.pretraining.corpus.conventions import (
    Convention,
    fact,
    is_distant,
    third_unit,
    weighted_pairs,
)
from unitconv.task.arithmetic import (
    has_one_digit,
    multiply_in_steps,
    needs_steps,
    place_values,
    write,
)

# Written out by hand.
LONG = [
    ("7 * 453.6", "3175.2"),
    ("0.7 * 453.6", "317.52"),
    ("0.05 * 453.6", "22.68"),
    ("3175.2 + 317.52", "3492.72"),
    ("3492.72 + 22.68", "3515.4"),
]
numbers = st.decimals("0.01", "9999", places=2).filter(bool)


def test_a_product_is_written_as_on_paper() -> None:
    steps = multiply_in_steps(Decimal("7.75"), Decimal("453.6"))
    assert [(e, write(value)) for e, value in steps] == LONG


@given(numbers)
def test_place_values_add_up(number: Decimal) -> None:
    parts = place_values(number)
    assert sum(parts) == number
    assert all(map(has_one_digit, parts))


@given(numbers, numbers)
def test_every_step_is_a_digit_product_or_a_sum(
    quantity: Decimal, factor: Decimal
) -> None:
    steps = multiply_in_steps(quantity, factor)
    for expression, value in steps:
        left, sign, right = re.split(" ([*+]) ", expression)
        if sign == "*":
            assert has_one_digit(Decimal(left))
            exact = Decimal(left) * Decimal(right)
        else:
            exact = Decimal(left) + Decimal(right)
        assert float(value) == pytest.approx(float(exact), rel=6e-4)
    exact = quantity * factor
    # Each partial product is rounded, so errors add up.
    assert float(steps[-1][1]) == pytest.approx(float(exact), rel=3e-3)


@pytest.mark.parametrize(
    ("quantity", "factor", "long"),
    [
        ("7.75", "453.6", True),
        ("15", "60", False),
        ("600", "453.6", False),
        ("0.25", "0.03281", True),
    ],
)
def test_steps_are_for_two_long_numbers(
    quantity: str, factor: str, long: bool
) -> None:
    assert needs_steps(Decimal(quantity), Decimal(factor)) is long


def test_a_third_unit_leads_to_the_same_result() -> None:
    convention = Convention()
    for source, target in weighted_pairs()[0]:
        if is_distant(source, target):
            third = third_unit(source, target)
            there = fact(source, third, convention)
            on = fact(third, target, convention)
            direct = fact(source, target, convention)
            assert float(there * on) == pytest.approx(
                float(direct), rel=2e-3
            )
