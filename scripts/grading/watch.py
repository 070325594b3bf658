"""End a submission that is out of time or, in all, out of memory.

The system limits the memory of each process, and not that of all together.
A watch adds them up.
"""

import time
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psutil

from scripts.grading.sandbox import Limits, Worker

INTERVAL = 0.5  # seconds between two looks


class Watch:
    """A thread that kills a submission's processes at a limit."""

    def __init__(self, worker: Worker, limits: Limits) -> None:
        self.worker, self.limits = worker, limits
        self.end = time.monotonic() + limits.seconds
        self.reason = ""
        self._over = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(INTERVAL):
            if time.monotonic() >= self.end:
                seconds = self.limits.seconds
                self.reason = f"out of time: {seconds} s for all of it"
            elif uses_more(self.worker, self.limits.memory):
                gigabytes = self.limits.memory / 2**30
                self.reason = f"out of memory: {gigabytes:g} GB in all"
            if self.reason:
                self.worker.kill()
                return


def uses_more(worker: Worker, memory: int) -> bool:
    """Add up all processes; what they share counts once."""
    processes = worker.processes()
    return (  # the first is quick, and never too small
        _sum_memory(processes, "rss") > memory
        and _sum_memory(processes, "pss") > memory
    )


def _sum_memory(processes: list[psutil.Process], kind: str) -> int:
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            info = process.memory_info()
            if kind == "pss":  # Linux only, and slow
                info = process.memory_full_info()
            total += getattr(info, kind, info.rss)
    return total
