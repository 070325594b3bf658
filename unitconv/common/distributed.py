"""Processes that `accelerate launch` starts: rank, shares, sums."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


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


def share(items: Sequence[T]) -> Sequence[T]:
    """Return the part of `items` that this process works on.

    The parts of all processes are `items`, in order.
    """
    size = math.ceil(len(items) / world_size())
    return items[rank() * size : (rank() + 1) * size]


def gather(items: Sequence[T]) -> list[T]:
    """Join the parts of all processes, in the order of their ranks."""
    if world_size() == 1:
        return list(items)
    from accelerate.utils import gather_object

    return list(gather_object(list(items)))


def add_up(tensor: Tensor) -> Tensor:
    """Return the sum of the processes' tensors."""
    if world_size() == 1:
        return tensor
    from accelerate.utils import reduce

    total: Tensor = reduce(tensor, "sum")
    return total
