"""Several processes as one, where `accelerate launch` has started them.

Each knows its number and how many there are; the work is dealt out by
that, and only the first of them talks and writes what is common to all.
"""

from __future__ import annotations

import os


def rank() -> int:
    """The number of this process, from 0; 0 if it is alone."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process talks and writes for all of them."""
    return rank() == 0


def meet() -> None:
    """Go on when all processes have come here.

    The first time, this also gives each process its own GPU.
    """
    if count() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
