"""Command `bench`: measure decoding speed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Option

from unitconv.cli import console, options
from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    from unitconv.profiling.roofline import Ceiling
    from unitconv.profiling.throughput import Speed, Workload

# Prompts of a workload: at least so many, and so many for each slot.
MIN_PROMPTS, PROMPTS_PER_SLOT = 32, 4

Slots = Annotated[
    str, Option(help="Sequences decoded together: one run for each.")
]
Questions = Annotated[
    int, Option(min=10, max=1000, help="Test questions for the most slots.")
]
Repeats = Annotated[
    int, Option(min=1, help="Timed runs; the median is reported.")
]


def bench(
    model: options.Model = "course",
    adapter: options.Adapter = None,
    questions: Questions = 1000,
    slots: Slots = "1,4,16,64,256",
    repeats: Repeats = 3,
    threads: Annotated[
        int | None, Option(min=1, help="CPU threads.", show_default="all")
    ] = None,
    json_file: options.JsonReport = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Measure decoding speed; the last line of output is JSON."""
    sweep = _parse_slots(slots)
    options.check_writable(json_file)
    import torch

    from unitconv.common.io import write_json
    from unitconv.common.run_metadata import run_metadata
    from unitconv.profiling import throughput
    from unitconv.profiling.roofline import measure_ceiling
    from unitconv.task.dataset import load_split

    if threads is not None:
        torch.set_num_threads(threads)
    llm = options.load_llm(model, adapter, "cot", device, dtype)
    ceiling = measure_ceiling(llm.device, llm.dtype)
    jobs = throughput.workloads(llm, load_split("test")[:questions])
    plan = list(_plan(jobs, sweep))
    speeds = []
    with console.progress_bar("measuring", len(plan)) as update:
        for job, n, decoder in plan:
            speeds.append(
                throughput.measure(llm, job, n, repeats, ceiling, decoder)
            )
            update(advance=1)
    _write_speeds(speeds, ceiling)
    record = {
        "speeds": [speed.to_json() for speed in speeds],
        "ceiling": {
            "gflops": round(ceiling.flops / 1e9, 1),
            "gbytes_per_second": round(ceiling.bandwidth / 1e9, 1),
        },
        "peak_memory_mb": round(throughput.peak_memory(llm.device) / 1e6),
        "run": {
            "model": llm.name,
            "adapter": llm.adapter,
            "device": str(llm.device),
            "dtype": str(llm.dtype).removeprefix("torch."),
            "questions": questions,
            "repeats": repeats,
            **run_metadata(),
        },
    }
    if json_file is not None:
        write_json(record, json_file)
        console.write(f"written: {json_file}", console.err)
    print(json.dumps(record))


def _parse_slots(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UnitconvError(
            f"--slots {text}: give whole numbers with commas between them, "
            "such as 1,16,64"
        )
    return sorted({int(part) for part in parts})


def _plan(
    jobs: Sequence[Workload], sweep: Sequence[int]
) -> Iterator[tuple[Workload, int, str]]:
    """Plan all workloads at the most slots, evaluation at all of them."""
    for job in jobs:
        n_rows = len(job.prompts) * job.num_return_sequences
        chosen = sweep if job.name == "evaluation" else sweep[-1:]
        for slots in sorted({min(n, n_rows) for n in chosen}):
            n_prompts = max(MIN_PROMPTS, PROMPTS_PER_SLOT * slots)
            short = replace(job, prompts=job.prompts[:n_prompts])
            yield short, slots, "engine"
            yield short, slots, "reference"


def _write_speeds(speeds: Sequence[Speed], ceiling: Ceiling) -> None:
    heads = ("workload", "decoder", "slots", "tokens/s", "first token")
    rows = [
        (
            speed.workload,
            speed.decoder,
            str(speed.slots),
            f"{speed.tokens_per_second:,.0f}",
            f"{1000 * speed.first_token_seconds:,.0f} ms",
            "-" if speed.roofline is None else f"{speed.roofline:.0%}",
        )
        for speed in speeds
    ]
    console.write_table((*heads, "of the roofline"), rows, n_left=2)
    console.write_field(
        "ceiling",
        f"{ceiling.flops / 1e9:,.0f} GFLOP/s of a matrix product, "
        f"{ceiling.bandwidth / 1e9:,.0f} GB/s from memory",
    )
