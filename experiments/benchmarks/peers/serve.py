"""What all peers have in common: a process that repeats when it is told.

A peer is `python -m experiments.benchmarks.peers.NAME TASK.json`. It loads,
runs its job once to be warm, and answers each line on its standard input
with one line of JSON: seconds, CPU seconds, and what was made.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.benchmarks.workloads import Workload

Replies = list[list[list[int]]]
"""The token ids of every reply: [prompt][sample][token]."""

Measured = dict[str, Any]
"""`wall` and `cpu` in seconds, and either `replies` or `tokens`."""


@dataclass(frozen=True)
class Task:
    """A job, and what it is done with."""

    model: str  # its folder
    dtype: str
    threads: int
    work: Path  # for converted models
    workload: Workload


def read_task() -> Task:
    """The task whose file stands on the command line."""
    data = json.loads(Path(sys.argv[1]).read_text())
    workload = Workload(**data.pop("workload"))
    work = Path(data.pop("work"))
    torch.set_num_threads(data["threads"])
    return Task(work=work, workload=workload, **data)


def serve_decoder(load: Callable[[Task], Callable[[], Replies]]) -> None:
    """Serve a decoder, timed from outside."""
    serve(lambda: _timed(load(read_task())))


def serve(load: Callable[[], Callable[[], Measured]]) -> None:
    """Repeat a job, once it is loaded, until the standard input ends."""
    answers = _own_stdout()
    repeat = load()
    repeat()  # not measured: caches fill, pages are touched
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(repeat()), file=answers, flush=True)


def _own_stdout() -> Any:
    """The pipe to the caller; what libraries print goes to stderr."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pipe


def _timed(decode: Callable[[], Replies]) -> Callable[[], Measured]:
    def repeat() -> Measured:
        wall, cpu = time.perf_counter(), time.process_time()
        replies = decode()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": wall, "cpu": cpu, "replies": replies}

    return repeat
