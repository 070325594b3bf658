"""Measure what each idea of the engine gains, one idea at a time.

    python -m experiments.engine_ablation

The jobs are those of `experiments.peers`, with fewer questions: evaluation
and rollouts on the course model, in float32 with one thread. The first
step is `transformers.generate`, the second the reference decoder, and the
others are the engine with an idea taken away. Every step of a job has to
give the same tokens.

Steps take turns, so that a machine that slows down slows all of them. The
gain of a step is the ratio to the step before it within a turn; the record
`unitconv/evaluation/results/ablation.json`, which chapter 6 reads, has its
median and range, and every time.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
import typer

from experiments.peers.decoders import (
    Decode,
    Load,
    load_model_and_options,
    load_transformers,
    load_unitconv,
    never,
)
from experiments.peers.workload import Workload, course_workloads
from experiments.timing import RESULTS, Seconds, paired_ratio, timed
from unitconv.common.io import write_json
from unitconv.common.run_metadata import run_metadata
from unitconv.inference import engine
from unitconv.inference.engine import Engine
from unitconv.inference.generate import generate_in_batches
from unitconv.inference.llm import LLM
from unitconv.inference.sampling import row_key


def load_reference(workload: Workload, slots: int) -> Decode:
    """Load the reference decoder: batches of prompts of like length.

    It has no limits for each prompt, so it finds a reply's end itself.
    """
    stop = LLM.from_pretrained("course", device="cpu").stop
    return load_unitconv(workload, slots, generate_in_batches, stop)


def load_without_prefix(workload: Workload, slots: int) -> Decode:
    """Load the engine; each of its slots holds the whole of a prompt."""
    decode = load_unitconv(workload, slots)

    def decode_without_prefix() -> list[list[int]]:
        with patch.object(engine, "shared_prefix_length", lambda _: 0):
            return decode()

    return decode_without_prefix


def load_without_forking(workload: Workload, slots: int) -> Decode:
    """Load the engine, and give it each sample as a prompt of its own.

    The noise of a sample is that which it has among the others.
    """
    rows, n = workload.rows(), workload.samples
    alone = Workload(
        workload.name,
        prompts=[prompt for prompt, _ in rows],
        lengths=[length for _, length in rows],
        temperature=workload.temperature,
    )
    model, settings, options = load_model_and_options(alone, slots)

    def decode() -> list[list[int]]:
        run = Engine(model, alone.prompts, settings, 1, options)
        for request in run.requests:
            request.key = row_key(
                settings.seed,
                alone.prompts[request.prompt],
                sample=request.prompt % n,
            )
        return [row[0].token_ids for row in run.run(never)]

    return decode


STEPS: dict[str, dict[str, Load]] = {
    "evaluation": {
        "transformers.generate": load_transformers,
        "reference decoder": load_reference,
        "slots that are refilled": load_without_prefix,
        "shared prefix": load_unitconv,
    },
    "rollouts": {
        "a slot for each sample": load_without_forking,
        "samples share a slot": load_unitconv,
    },
}


def measure(
    workload: Workload, slots: int, turns: int, steps: dict[str, Load]
) -> list[dict[str, Any]]:
    """Run all steps in turns, after a warm-up; one record for each.

    Raises:
        ValueError: a step gives other tokens than the one before it.
    """
    decoders = {n: load(workload, slots) for n, load in steps.items()}
    runs: dict[str, list[Seconds]] = {name: [] for name in steps}
    expected: list[list[int]] | None = None
    for _ in range(1 + turns):
        for name, decode in decoders.items():
            replies, seconds = timed(decode)
            if expected is not None and replies != expected:
                raise ValueError(f"{name!r}: other tokens than before")
            expected = replies
            runs[name].append(seconds)
    cpu = [[s.cpu for s in seconds[1:]] for seconds in runs.values()]
    gains = [paired_ratio(before, after) for before, after in pairwise(cpu)]
    return [
        {
            "name": name,
            "gain": gain,
            "cpu": [s.cpu for s in seconds[1:]],
            "wall": [s.wall for s in seconds[1:]],
        }
        for (name, seconds), gain in zip(
            runs.items(), [None, *gains], strict=True
        )
    ]


def main(
    questions: Annotated[int, typer.Option(min=20, max=1000)] = 256,
    slots: Annotated[int, typer.Option(min=1)] = 64,
    turns: Annotated[int, typer.Option(min=1)] = 5,
    out: Annotated[Path, typer.Option()] = RESULTS / "ablation.json",
) -> None:
    """Measure every step and write the record."""
    torch.set_num_threads(1)
    record: dict[str, Any] = {"run": run_metadata(), "slots": slots}
    for workload in course_workloads(questions):
        steps = measure(workload, slots, turns, STEPS[workload.name])
        record[workload.name] = {
            "questions": len(workload.prompts),
            "samples": workload.samples,
            "tokens": workload.n_tokens,
            "steps": steps,
        }
        for step in steps:
            typer.echo(f"{step['name']:24} {step['gain']} {step['cpu']}")
    write_json(record, out)
    typer.echo(f"written: {out.name}")


if __name__ == "__main__":
    typer.run(main)
