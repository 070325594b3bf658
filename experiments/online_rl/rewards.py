"""Rewards of controls, which say nothing about the reply."""

from __future__ import annotations

from zlib import crc32

from unitconv.evaluation.grade import Graded


def chance(graded: Graded) -> float:
    """Reward 1 for every second text, by a hash: a coin that repeats."""
    return float(crc32(graded.text.encode()) % 2)
