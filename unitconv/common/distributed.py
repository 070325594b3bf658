"""Processes that `accelerate launch` starts: rank, shares, sums.

One that dies must not leave the others waiting. `gloo`, the backend of
CPUs, notices at once; for the rest there is a limit on every wait.
"""

from __future__ import annotations

import math
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    from accelerate import PartialState
    from torch import Tensor

T = TypeVar("T")

#: Variable with the seconds that a process waits for the others. One may
#: have the longer texts to sample: torch's 10 to 30 minutes are too few.
WAIT_VARIABLE = "UNITCONV_WAIT_SECONDS"
DEFAULT_WAIT = 7200
#: What torch says of a process that is gone or does not come.
_LOST = re.compile(
    "(closed|reset) by peer|Broken pipe|Connection refused|[Tt]imed out|"
    "Timeout|NCCL|Dist(Backend|Network|Store)Error"
)
_AGAIN = (
    "Nothing that was written is lost: give the same command again, with "
    "as many processes (sft, rft and rl with --resume)"
)


class LostProcessError(UnitconvError):
    """Another process has ended, or kept this one waiting too long."""


def rank() -> int:
    """Return the index of this process, from 0; 0 if it is alone."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return True in the process that prints and writes for all."""
    return rank() == 0


def wait_seconds() -> int:
    """Return how long a process waits for the others.

    Raises:
        UnitconvError: the variable is no whole number above 0.
    """
    text = os.environ.get(WAIT_VARIABLE, str(DEFAULT_WAIT))
    if not text.isdecimal() or int(text) == 0:
        raise UnitconvError(
            f"{WAIT_VARIABLE}={text}: give a whole number of seconds"
        )
    return int(text)


@contextmanager
def noticing_lost_processes() -> Iterator[None]:
    """Say what to do when another process ends before the work is done.

    Raises:
        LostProcessError: instead of torch's error about a connection.
        SystemExit: the launcher stops this process with SIGTERM, as it
            does on the machine of one that has died.
    """
    if world_size() == 1:
        yield
        return
    who = f"process {rank()} of {world_size()}"

    def stop(number: int, frame: object) -> None:
        sys.stderr.write(
            f"unitconv: {who} was stopped: another one died (the launcher "
            f"says which), or the job was cancelled. {_AGAIN}\n"
        )
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except RuntimeError as error:
        if not _LOST.search(f"{type(error).__name__}: {error}"):
            raise
        raise LostProcessError(
            f"{who} lost another one, which has died, as its own error "
            f"says, or did not come for {wait_seconds()} s (more with "
            f"{WAIT_VARIABLE}). {_AGAIN}"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def barrier() -> None:
    """Wait until every process has called this.

    The first call also assigns each process its own GPU.
    """
    if world_size() > 1:
        _state().wait_for_everyone()


def _state() -> PartialState:
    """Return the group of the processes; the first call connects them.

    Raises:
        UnitconvError: they cannot be connected. Each would work alone.
    """
    import torch
    from accelerate import PartialState

    use_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true"
    state = PartialState(
        cpu=use_cpu or not torch.accelerator.is_available(),
        timeout=timedelta(seconds=wait_seconds()),
    )
    connected = state.num_processes
    if connected != world_size():
        raise UnitconvError(
            f"of {world_size()} processes {connected} are connected: start "
            "them with torchrun, or on GPUs with accelerate launch"
        )
    return state


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

    _state()
    return list(gather_object(list(items)))


def add_up(tensor: Tensor) -> Tensor:
    """Return the sum of the processes' tensors."""
    if world_size() == 1:
        return tensor
    from accelerate.utils import reduce

    _state()
    total: Tensor = reduce(tensor, "sum")
    return total
