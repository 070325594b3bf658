"""Confidence intervals of proportions, and a paired test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

Z95 = NormalDist().inv_cdf(0.975)


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


@dataclass(frozen=True)
class PairedComparison:
    """Two runs on the same `n` questions."""

    n: int
    only_a: int  # right in the first run alone
    only_b: int  # right in the second run alone

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
        on which they differ would favour either one with probability 1/2.
        """
        # Python's own integers: those of numpy overflow.
        flips = int(self.only_a) + int(self.only_b)
        tail = range(int(min(self.only_a, self.only_b)) + 1)
        ways = sum(math.comb(flips, k) for k in tail)
        # Integers until the last step: 2**flips may exceed any float.
        return min(1.0, 2 * ways / 2**flips)


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
