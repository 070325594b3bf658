"""How much faster one decoder is than another, and how sure that is.

A machine's speed drifts: another process, heat, memory. Peers take turns,
A B A B, and a ratio is formed within a turn, where both met the same
machine. Its median over the turns is reported with its extremes.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Median, lowest and highest of the ratios of all turns."""

    median: float
    low: float
    high: float


def pairwise(peer: Sequence[float], ours: Sequence[float]) -> Ratio:
    """By what factor `ours` is faster, from seconds of the same turns.

    Raises:
        ValueError: no turns, or not the same number of them.
    """
    if not peer or len(peer) != len(ours):
        raise ValueError("a ratio needs the same turns, at least one")
    ratios = [p / o for p, o in zip(peer, ours, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))
