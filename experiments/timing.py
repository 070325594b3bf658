"""Timing decoders in turns: seconds of a run, and ratios within a turn.

A machine's speed drifts: another process, heat, memory. Decoders that are
compared take turns, A B A B, and a ratio is formed within a turn, where
both met the same machine. Its median over the turns is reported together
with the lowest and the highest.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import unitconv

#: Folder of the records that the book reads.
RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"

T = TypeVar("T")


class Seconds(NamedTuple):
    """Duration of one run by the clock on the wall and of the CPU."""

    wall: float
    cpu: float


def timed(run: Callable[[], T]) -> tuple[T, Seconds]:
    """Return what `run` returns, and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    cpu = time.process_time() - cpu
    wall = time.perf_counter() - wall
    return result, Seconds(wall=round(wall, 4), cpu=round(cpu, 4))


def paired_ratio(
    before: Sequence[float], after: Sequence[float]
) -> dict[str, float]:
    """Compute how many times as fast `after` is as `before`.

    Args:
        before: seconds of each turn.
        after: seconds of the same turns.

    Returns:
        median, lowest and highest of the ratios of all turns.
    """
    ratios = [b / a for b, a in zip(before, after, strict=True)]
    middle = statistics.median(ratios)
    return {
        "median": round(middle, 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
    }
