"""Intervals and the paired test: published values and brute force."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unitconv.evaluation.stats import (
    Z95,
    PairedComparison,
    clustered_interval,
    holm,
    wilson_interval,
)


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


# --- clusters -----------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 9)),
        min_size=2,
        max_size=60,
    )
)
def test_clustered_interval_is_the_published_sum(
    cases: list[tuple[float, int]],
) -> None:
    values, clusters = (list(column) for column in zip(*cases, strict=True))
    d = np.array(values) - np.mean(values)
    together = np.equal.outer(clusters, clusters)
    # Miller 2024, equation 4: every product of two in the same cluster.
    variance = float((np.outer(d, d) * together).sum()) / len(values) ** 2
    low, high = clustered_interval(
        values, clusters, bounds=(-math.inf, math.inf)
    )
    if (count := len(set(clusters))) == 1:
        assert math.isnan(low)
        assert math.isnan(high)
        return
    error = math.sqrt(max(0.0, variance) * count / (count - 1))
    assert low == pytest.approx(np.mean(values) - Z95 * error, abs=1e-7)
    assert high == pytest.approx(np.mean(values) + Z95 * error, abs=1e-7)


def test_clusters_of_one_give_the_simple_interval_of_a_mean() -> None:
    values = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    expected = np.mean(values) + Z95 * error * np.array([-1, 1])
    found = clustered_interval(values, range(7))
    assert found == pytest.approx((expected[0], 1.0))  # cut at the bound
    wide = clustered_interval(values, range(7), bounds=(-9.0, 9.0))
    assert wide == pytest.approx(tuple(expected))


def test_clustered_interval_of_nothing_is_nan() -> None:
    assert all(math.isnan(end) for end in clustered_interval([], []))


@pytest.mark.parametrize(
    ("n_clusters", "lowest", "highest"),
    # Of few clusters it covers too little, as its docstring warns.
    [(95, 0.93, 0.96), (30, 0.92, 0.96), (5, 0.75, 0.92)],
)
def test_clustered_interval_covers_where_the_simple_one_does_not(
    n_clusters: int, lowest: float, highest: float
) -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(n_clusters), 10)
    covered = np.zeros(2)
    for _ in range(500):
        # Mean 0.8; questions of one pair are right or wrong together.
        rates = rng.beta(1.6, 0.4, size=n_clusters)
        values = (rng.random(len(clusters)) < rates[clusters]).astype(float)
        for i, by in enumerate((clusters, np.arange(len(clusters)))):
            low, high = clustered_interval(
                values.tolist(), by.tolist(), bounds=(0.0, 1.0)
            )
            covered[i] += low <= 0.8 <= high
    clustered, simple = covered / 500
    assert lowest <= clustered <= highest
    assert simple < 0.75


# --- several tests ------------------------------------------------------


def test_holm_of_an_example_worked_by_hand() -> None:
    # 4 * 0.005, 3 * 0.011, then 2 * 0.02 and 1 * 0.04 by hand.
    assert holm([0.02, 0.005, 0.04, 0.011]) == pytest.approx(
        [0.04, 0.02, 0.04, 0.033]
    )
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(
    p_values: list[float],
) -> None:
    """Marcus et al. 1976: rejected where every set around it is."""
    indices = range(len(p_values))
    sets = [
        chosen
        for size in range(1, len(p_values) + 1)
        for chosen in combinations(indices, size)
    ]
    expected = [
        max(
            min(1.0, len(chosen) * min(p_values[j] for j in chosen))
            for chosen in sets
            if i in chosen
        )
        for i in indices
    ]
    assert holm(p_values) == pytest.approx(expected, abs=1e-12)


# --- in words -----------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "gained", "clustered", "p", "expected"),
    [
        (5, 30, None, None, "better"),
        (30, 5, None, None, "worse"),
        (5, 5, None, None, "not shown"),
        (5, 30, None, 0.06, "not shown"),  # one of several tests
        (5, 30, (0.01, 0.04), None, "better"),
        (5, 30, (-0.01, 0.06), None, "not shown"),  # one pair of units
    ],
)
def test_verdict(
    lost: int,
    gained: int,
    clustered: tuple[float, float] | None,
    p: float | None,
    expected: str,
) -> None:
    pair = PairedComparison(1000, lost, gained, clustered)
    assert pair.verdict(p) == expected
    assert PairedComparison.from_json(pair.to_json()) == pair
