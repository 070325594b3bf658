"""Measure the engine against three other decoders, two at a time.

    python -m venv _build/peers-venv
    _build/peers-venv/bin/pip install -c constraints.txt -e .
    _build/peers-venv/bin/pip install ctranslate2 xllamacpp
    _build/peers-venv/bin/python -m experiments.peers

The protocol:

- Every decoder is a process of its own that stays, warmed up by one run.
  Ours and another take turns, A B A B.
- Ratios of seconds, on the wall and of the CPU, are formed within a turn;
  the record has their median and range, and every time.
- All get the same token ids, and every reply has a length that was fixed
  beforehand (see `workload`), which is checked after each run. Greedy
  replies are compared token by token.
- Each decodes with the number of slots that suits it: another decoder is
  tried with each of `--slots` and keeps the fastest.
- All have one thread and the course model in float32; llama.cpp keeps its
  default, a KV cache of float16.

Written to `unitconv/evaluation/results/peers.json`, which chapter 6 reads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from experiments.peers.decoders import LOADERS, WORK
from experiments.peers.worker import Run, Worker
from experiments.peers.workload import Workload, course_workloads
from experiments.timing import RESULTS, paired_ratio
from unitconv.common.io import write_json
from unitconv.common.run_metadata import PACKAGES, run_metadata, versions
from unitconv.inference.reference import BATCH_SIZE

OURS, *OTHERS = LOADERS


def compare(
    name: str, workload: Workload, candidates: Sequence[int], turns: int
) -> dict[str, Any]:
    """Measure ours and another decoder in turns.

    Args:
        name: the other decoder.
        workload: what both are given.
        candidates: numbers of slots that the other one is tried with.
        turns: runs of each, after the warm-up.
    """
    slots = fastest_slots(name, workload, candidates)
    runs: dict[str, list[Run]] = {OURS: [], name: []}
    with (
        Worker(OURS, workload, BATCH_SIZE) as ours,
        Worker(name, workload, slots) as other,
    ):
        for worker in [ours, other] * turns:
            runs[worker.name].append(worker.run())
    seconds = {
        clock: {
            decoder: [getattr(took, clock) for _, took in made]
            for decoder, made in runs.items()
        }
        for clock in ("wall", "cpu")
    }
    pairs = zip(runs[OURS][0][0], runs[name][0][0], strict=True)
    same = sum(a == b for a, b in pairs) / len(workload.prompts)
    return {
        "workload": workload.name,
        "decoder": name,
        "slots": {OURS: BATCH_SIZE, name: slots},
        "tokens": workload.n_tokens,
        "same_replies": None if workload.temperature else same,
        "seconds": seconds,
        "ratio": {
            clock: paired_ratio(times[name], times[OURS])
            for clock, times in seconds.items()
        },
    }


def fastest_slots(
    name: str, workload: Workload, candidates: Sequence[int]
) -> int:
    """Return the number of slots with which one run takes least time."""
    if len(candidates) == 1:
        return candidates[0]
    wall = {}
    for slots in candidates:
        with Worker(name, workload, slots) as worker:
            wall[slots] = worker.run()[1].wall
    return min(candidates, key=lambda slots: wall[slots])


def main(
    questions: Annotated[
        int, typer.Option(min=10, max=1000, help="Of the test split.")
    ] = 1000,
    turns: Annotated[int, typer.Option(min=1)] = 5,
    slots: Annotated[
        str, typer.Option(help="Tried by the other decoders.")
    ] = "64,128,256",
    decoder: Annotated[
        list[str] | None, typer.Option(help=f"Some of {OTHERS}.")
    ] = None,
    out: Annotated[Path, typer.Option()] = RESULTS / "peers.json",
) -> None:
    """Measure, and write the record after each comparison."""
    torch.set_num_threads(1)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # of the workers
    WORK.mkdir(parents=True, exist_ok=True)
    candidates = [int(number) for number in slots.split(",")]
    packages = (*PACKAGES, "ctranslate2", "xllamacpp")
    run = {
        **run_metadata(),
        "versions": versions(packages),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "questions": questions,
        "dtype": "float32",
    }
    rows: list[dict[str, Any]] = []
    for workload in course_workloads(questions):
        for name in decoder or OTHERS:
            row = compare(name, workload, candidates, turns)
            rows.append(row)
            write_json({"run": run, "rows": rows}, out)
            ratio = "{median:.2f} ({low:.2f}-{high:.2f})".format(
                **row["ratio"]["wall"]
            )
            chosen = row["slots"][name]
            typer.echo(f"{workload.name} {name}, {chosen} slots: {ratio}")


if __name__ == "__main__":
    typer.run(main)
