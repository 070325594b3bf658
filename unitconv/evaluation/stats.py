"""Confidence intervals, simple and clustered, and paired tests."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean
from typing import Any

Z95 = NormalDist().inv_cdf(0.975)
ALPHA = 0.05  # a p-value below it counts as shown


@dataclass(frozen=True)
class Proportion:
    """A number of successes in `n` cases, with its 95 % interval."""

    successes: int
    n: int

    @property
    def value(self) -> float:
        """The proportion, from 0 to 1; NaN where `n` is 0."""
        return self.successes / self.n if self.n else math.nan

    @property
    def ci95(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % Wilson interval."""
        return wilson_interval(self.successes, self.n)


def wilson_interval(
    successes: int, n: int, z: float = Z95
) -> tuple[float, float]:
    """Compute the score interval of a proportion.

    Wilson 1927, doi:10.2307/2276774. Unlike the textbook's p +- 1.96 s it
    stays inside [0, 1] and covers the truth near the ends.

    Returns:
        lower and upper end; (nan, nan) where n is 0.

    Raises:
        ValueError: `successes` is not in 0 to n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} cases")
    if n == 0:
        return math.nan, math.nan
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # At the ends the formula gives 0 and 1 up to rounding.
    return (0.0 if successes == 0 else low, 1.0 if successes == n else high)


def clustered_interval(
    values: Sequence[float],
    clusters: Iterable[Hashable],
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> tuple[float, float]:
    """Compute the 95 % interval of a mean of values that come in clusters.

    Miller 2024, arXiv:2411.00640: deviations from the mean are added up
    within each cluster and squared after that, so that values which err
    together count as less than as many independent ones:
    SE^2 = G / (G - 1) * sum over clusters of (sum of deviations)^2 / n^2.
    The factor of the G clusters (Cameron and Miller 2015,
    doi:10.3368/jhr.50.2.317) makes clusters of one the usual SE of a mean.
    With fewer than some 30 clusters the interval is too narrow, and where
    all values are alike it has no width.

    Args:
        values: such as 0 or 1 for each question, or differences of these.
        clusters: the cluster of each value.
        bounds: what the mean can be; the interval is cut there.

    Returns:
        lower and upper end; (nan, nan) for fewer than two clusters.
    """
    centre = mean(values) if values else math.nan
    sums: defaultdict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - centre
    count = len(sums)
    if count < 2:
        return math.nan, math.nan
    squares = sum(deviation**2 for deviation in sums.values())
    error = math.sqrt(count / (count - 1) * squares) / len(values)
    return (
        max(bounds[0], centre - Z95 * error),
        min(bounds[1], centre + Z95 * error),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests by Holm's method.

    Holm 1979, Scandinavian Journal of Statistics 6, 65: of k p-values the
    smallest is multiplied by k, the next by k - 1, and so on; none may end
    up below the one before it, or above 1. The chance of any false alarm
    stays below that of one test, whether or not they are independent.

    Returns:
        the adjusted p-values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, index in enumerate(order):
        scaled = (len(p_values) - rank) * p_values[index]
        largest = max(largest, min(1.0, scaled))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class PairedComparison:
    """Two runs on the same `n` questions."""

    n: int
    only_a: int  # right in the first run alone
    only_b: int  # right in the second run alone
    # By unit pair, which the counts alone do not say: see `compare`.
    clustered_ci95: tuple[float, float] | None = None

    @property
    def difference(self) -> float:
        """Accuracy of the second run minus that of the first."""
        return (self.only_b - self.only_a) / self.n

    @property
    def ci95(self) -> tuple[float, float]:
        """95 % interval of the difference (Agresti and Min 2005).

        doi:10.1002/sim.1781: half a case is added to each cell, which
        keeps the coverage when few questions differ.
        """
        n, a, b = self.n + 2, self.only_a + 0.5, self.only_b + 0.5
        centre = (b - a) / n
        spread = Z95 * math.sqrt(a + b - (b - a) ** 2 / n) / n
        return max(-1.0, centre - spread), min(1.0, centre + spread)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the exact McNemar test.

        doi:10.1007/BF02295996: if neither run were better, each question
        on which they differ would favor either one with probability 1/2.
        """
        # Python's own integers: those of numpy overflow.
        flips = int(self.only_a) + int(self.only_b)
        tail = range(int(min(self.only_a, self.only_b)) + 1)
        ways = sum(math.comb(flips, k) for k in tail)
        # Integers until the last step: 2**flips may exceed any float.
        return min(1.0, 2 * ways / 2**flips)

    def verdict(self, p_value: float | None = None) -> str:
        """Word what is shown: the second run is better, worse, or neither.

        A difference is shown if p is below 5 % and the clustered interval,
        where there is one, leaves out zero: the test takes questions as
        independent. What is not shown may still be there, so no verdict
        says that two runs are equal.

        Args:
            p_value: adjusted for the number of tests, as by `holm`; by
                default the plain one.

        Returns:
            "better", "worse" or "not shown".
        """
        p = self.p_value if p_value is None else p_value
        low, high = self.clustered_ci95 or (math.nan, math.nan)
        if p >= ALPHA or low <= 0 <= high:
            return "not shown"
        return "better" if self.difference > 0 else "worse"

    def to_json(self) -> dict[str, Any]:
        """Convert counts, difference, intervals and p to plain data."""
        clustered = self.clustered_ci95
        return {
            "n": self.n,
            "only_first": self.only_a,
            "only_second": self.only_b,
            "difference": self.difference,
            "ci95": list(self.ci95),
            "clustered_ci95": list(clustered) if clustered else None,
            "p_value": self.p_value,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PairedComparison:
        """Restore the comparison that `to_json` wrote."""
        clustered: list[float] | None = data.get("clustered_ci95")
        return cls(
            n=data["n"],
            only_a=data["only_first"],
            only_b=data["only_second"],
            clustered_ci95=(clustered[0], clustered[1])
            if clustered
            else None,
        )


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Estimate the chance that one of `k` samples is right.

    Chen et al. 2021, arXiv:2107.03374: of `n` samples, `correct` are right,
    and the mean is taken over all choices of `k` among them. It has no
    bias, unlike 1 - (1 - correct / n) ** k.

    >>> pass_at_k(4, 1, 2)
    0.5

    Raises:
        ValueError: unless 0 <= correct <= n and 1 <= k <= n.
    """
    if not (0 <= correct <= n and 1 <= k <= n):
        raise ValueError(f"{correct} right of {n} samples, {k} drawn")
    return 1 - math.comb(n - correct, k) / math.comb(n, k)
