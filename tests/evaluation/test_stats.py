"""Intervals and the paired test: published values and brute force."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unitconv.evaluation.stats import Z95, PairedComparison, wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, 857: table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_matches_published_examples(
    successes: int, n: int, low: float, high: float
) -> None:
    interval = wilson_interval(successes, n)
    assert [round(end, 4) for end in interval] == [low, high]


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 10**6))
    return draw(st.integers(0, n)), n


@given(counts())
@example((0, 1))
@example((1, 1))
def test_wilson_ends_are_where_the_score_test_rejects(
    case: tuple[int, int],
) -> None:
    successes, n = case
    share = successes / n
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= share <= high <= 1
    for end in {low, high} - {0.0, 1.0}:
        score = n * (share - end) ** 2
        assert score == pytest.approx(Z95**2 * end * (1 - end), rel=1e-6)
    assert wilson_interval(n - successes, n) == pytest.approx(
        (1 - high, 1 - low), abs=1e-12
    )


def test_wilson_of_no_cases_is_nan() -> None:
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


@given(st.integers(0, 300), st.integers(0, 300))
@example(0, 3000)  # no float holds 2**3000
@example(1450, 1550)
def test_mcnemar_is_the_exact_binomial_tail(a: int, b: int) -> None:
    flips, fewer = a + b, min(a, b)
    # Each binomial coefficient from the last: no factorials, no floats.
    ways = tail = 1
    for k in range(fewer):
        ways = ways * (flips - k) // (k + 1)
        tail += ways
    expected = min(Fraction(1), Fraction(2 * tail, 2**flips))
    p = PairedComparison(9000, a, b).p_value
    assert p == pytest.approx(float(expected), rel=1e-12)
    assert p == PairedComparison(9000, b, a).p_value
    assert 0 <= p <= 1


@given(st.integers(1, 2000), st.data())
def test_difference_and_its_interval(n: int, data: st.DataObject) -> None:
    a = data.draw(st.integers(0, n))
    b = data.draw(st.integers(0, n - a))
    pair = PairedComparison(n=n, only_a=a, only_b=b)
    assert pair.difference == pytest.approx(b / n - a / n)
    low, high = pair.ci95
    assert -1 <= low < high <= 1
    assert PairedComparison(n, b, a).ci95 == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    ("n", "only_a", "only_b"),
    [(100, 0.10, 0.20), (100, 0.02, 0.03), (1000, 0.05, 0.05)],
)
def test_interval_covers_the_truth_95_times_in_100(
    n: int, only_a: float, only_b: float
) -> None:
    rng = np.random.default_rng(1)
    shares = [only_a, only_b, 1 - only_a - only_b]
    covered = 0
    for a, b, _ in rng.multinomial(n, shares, size=4000).tolist():
        low, high = PairedComparison(n, a, b).ci95
        covered += low <= only_b - only_a <= high
    # The simulation's own error is 0.0034; it may be too wide, not too
    # narrow, where few questions differ.
    assert 0.94 <= covered / 4000 <= 0.99
