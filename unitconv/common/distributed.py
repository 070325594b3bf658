"""Rank and barrier of the processes that `accelerate launch` starts."""

from __future__ import annotations

import os


def rank() -> int:
    """Return the index of this process, from 0; 0 if it is alone."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return True in the process that prints and writes for all."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process has called this.

    The first call also assigns each process its own GPU.
    """
    if world_size() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
