"""`unitconv bench`: how fast this machine decodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from unitconv.cli.console import err, out, progress_bar, say, write
from unitconv.cli.options import (
    Adapter,
    Device,
    Dtype,
    Model,
    check_writable,
    load_llm,
)

if TYPE_CHECKING:
    from unitconv.inference.llm import LLM
    from unitconv.profiling.roofline import Ceiling
    from unitconv.profiling.throughput import Speed, Workload


# Prompts of a job: at least so many, and so many for each slot.
FEWEST, FILLS = 32, 4


def bench(
    model: Model = "course",
    adapter: Adapter = None,
    questions: Annotated[
        int,
        typer.Option(
            min=10, max=1000, help="Of the test split, for the most slots."
        ),
    ] = 1000,
    slots: Annotated[
        str, typer.Option(help="Rows decoded together: a sweep of them.")
    ] = "1,4,16,64,256",
    repeats: Annotated[
        int, typer.Option(min=1, help="Runs, of which the median is told.")
    ] = 3,
    reference: Annotated[
        bool, typer.Option(help="Time the reference decoder as well.")
    ] = True,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of a CPU; default: all.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the record here.")
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Measure how fast replies are decoded; ends in one line of JSON."""
    sweep = _numbers(slots)
    if json_file is not None:
        check_writable(json_file)
    import torch

    from unitconv.common.io import write_json
    from unitconv.profiling.roofline import measure_ceiling
    from unitconv.profiling.throughput import peak_memory, workloads
    from unitconv.task.dataset import load_split

    if threads is not None:
        torch.set_num_threads(threads)
    llm = load_llm(model, adapter, "cot", device, dtype)
    ceiling = measure_ceiling(llm.device, llm.dtype)
    jobs = workloads(llm, load_split("test")[:questions])
    plan = list(_plan(jobs, sweep, reference))
    speeds = _measure_all(llm, plan, repeats, ceiling)
    _show(speeds, ceiling)
    record = {
        "speeds": [speed.to_json() for speed in speeds],
        "ceiling": {
            "gflops": round(ceiling.flops / 1e9, 1),
            "gbytes_per_second": round(ceiling.bandwidth / 1e9, 1),
        },
        "peak_memory_mb": round(peak_memory(llm.device) / 1e6),
        "run": _run(llm, questions, repeats),
    }
    if json_file is not None:
        write_json(record, json_file)
        write(err, f"written: {json_file}")
    print(json.dumps(record))


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"--slots {text}: give whole numbers with commas between them, "
            "such as 1,16,64"
        )
    return sorted({int(part) for part in parts})


def _plan(
    jobs: list[Workload], sweep: list[int], reference: bool
) -> Iterator[tuple[Workload, int, str]]:
    """All workloads at the most slots, evaluation at all of them."""
    for job in jobs:
        rows = len(job.prompts) * job.num_return_sequences
        chosen = sweep if job.name == "evaluation" else sweep[-1:]
        for slots in sorted({min(n, rows) for n in chosen}):
            # As many as it takes to fill each slot again, and again.
            enough = max(FEWEST, FILLS * slots)
            short = replace(job, prompts=job.prompts[:enough])
            yield short, slots, "engine"
            if reference:
                yield short, slots, "reference"


def _measure_all(
    llm: LLM,
    plan: list[tuple[Workload, int, str]],
    repeats: int,
    ceiling: Ceiling,
) -> list[Speed]:
    from unitconv.profiling.throughput import measure

    speeds = []
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=len(plan))
        for job, slots, decoder in plan:
            speeds.append(
                measure(llm, job, slots, repeats, ceiling, decoder)
            )
            bar.advance(task)
    return speeds


def _show(speeds: list[Speed], ceiling: Ceiling) -> None:
    table = Table()
    for column in ("workload", "decoder"):
        table.add_column(column)
    for column in ("slots", "tokens/s", "first token", "of the roofline"):
        table.add_column(column, justify="right")
    for speed in speeds:
        share = "-" if speed.roofline is None else f"{speed.roofline:.0%}"
        table.add_row(
            speed.workload,
            speed.decoder,
            str(speed.slots),
            f"{speed.tokens_per_second:,.0f}",
            f"{1000 * speed.first_token_seconds:,.0f} ms",
            share,
        )
    out.print(table)
    say(
        "ceiling",
        f"{ceiling.flops / 1e9:,.0f} GFLOP/s of a product, "
        f"{ceiling.bandwidth / 1e9:,.0f} GB/s from memory",
    )


def _run(llm: LLM, questions: int, repeats: int) -> dict[str, Any]:
    """What ran, where and when."""
    from unitconv.common.run_metadata import run_metadata

    return {
        "model": llm.name,
        "adapter": llm.adapter,
        "device": str(llm.device),
        "dtype": str(llm.dtype).removeprefix("torch."),
        "questions": questions,
        "repeats": repeats,
        **run_metadata(),
    }
