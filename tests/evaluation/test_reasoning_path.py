"""Reasoning paths: what is the same path, and what works in steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unitconv.evaluation.reasoning_path import (
    path_key,
    reasoning_steps,
    uses_steps,
)

PATH = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
PARTIAL = (
    "1 lb = 453.6 g. 7 * 453.6 = 3175.2. 0.5 * 453.6 = 226.8. "
    "3175.2 + 226.8 = 3402. <answer>3402</answer>"
)


@pytest.mark.parametrize(
    "same",
    [
        "So 1 kg = 1000 g; thus 6 * 1000 = 6000.",
        "1 kg = 1000 g. 6*1000=6000",
        "1 kg = 1000 g. 6 x 1000 = 6000",
        "1 kg = 1000 g. 6 \u00d7 1000 = 6000",
        "1 kg = 1000 g. 6 times 1000 = 6000",
        "1 kg = 1000 g. 1000 * 6 = 6000",
        "1 kg = 1000 g. 6 * 1000 g = 6000 g",
        "1 kg = 1,000 g. 6.0 * 1,000 = 6000.00",
        "1 kilogram = 1000 grams. 6 * 1000 = 6000 gram",
        "1000 g = 1 kg. 6000 = 6 * 1000",
        "1 kg = 1000 g. 6 * 1000 = 6000. That is, 6 * 1000 = 6000.",
        "One kg is 1000 g. Multiply 6 by 1000 to get 6000",
    ],
)
def test_spellings_do_not_make_another_path(same: str) -> None:
    assert path_key(same) == path_key(PATH)


@pytest.mark.parametrize(
    "other",
    [
        "6 * 1000 = 6000.",
        "1 g = 0.001 kg. 6 / 0.001 = 6000.",
        "1 kg = 1000 g. 6 / 1000 = 6000.",
        "1 kg = 1000 g. 5 * 1000 + 1 * 1000 = 6000.",
        "1 kg = 1000 g. 3 * 1000 = 3000. 2 * 3000 = 6000.",
        "1 kg = 2.205 lb. 6 * 1000 = 6000.",
        "1 kg = 1000 mg. 6 * 1000 = 6000.",
        "6 kg = 6 * 1000 g = 6000 g.",
    ],
)
def test_other_equations_are_another_path(other: str) -> None:
    assert path_key(other) != path_key(PATH)


def test_the_order_of_addends_and_divisors_makes_no_difference() -> None:
    assert path_key("2 + 3 * 4 = 14") == path_key("4 * 3 + 2 = 14")
    assert path_key("5 / 2 * 60 = 150") == path_key("60 * 5 / 2 = 150")
    assert path_key("9 - 4 = 5") != path_key("4 - 9 = 5")
    assert path_key("2 * (3 + 4) = 14") != path_key("2 * 3 + 4 = 14")


@pytest.mark.parametrize(
    "text",
    [
        PARTIAL,
        "47 * 3.5 = 40 * 3.5 + 7 * 3.5 = 140 + 24.5 = 164.5",
        "1 day = 24 h. 2 * 24 = 48. 1 h = 3600 s. 48 * 3600 = 172800",
        "2 * 24 * 3600 = 172800",
        "1 day = 24 * 3600 = 86400 s. 2 * 86400 = 172800",
        "90 / 60 = 1.5. 1.5 / 24 = 0.0625",
    ],
)
def test_partial_products_and_chains_are_steps(text: str) -> None:
    assert uses_steps(text)


@pytest.mark.parametrize(
    "text",
    [
        PATH,
        "",
        "<answer>7 * 3 * 2 = 42</answer>",
        "6 * 1000 = 6000. 1000 * 6 = 6000. 6 x 1000 = 6000",
        "6 * 1000 = 6000. 6000 * 1 = 6000",
        "6 * 1000 = 6000. 12 * 60 = 720",
        "5 + 1 = 6. 6 * 1000 = 6000",
        "6 * 1000 = 6000. 6000 + 0 = 6000",
    ],
)
def test_one_product_is_no_steps(text: str) -> None:
    assert not uses_steps(text)


def test_steps_are_counted_once() -> None:
    steps = reasoning_steps(PARTIAL + PARTIAL)
    assert (steps.products, steps.sums, steps.chained) == (2, 1, False)


@given(
    st.text(alphabet="0123456789.,+-*/()= kgx\u00d7<>answer", max_size=60)
)
def test_any_text_has_a_path(text: str) -> None:
    assert isinstance(path_key(text), tuple)
    uses_steps(text)
