"""What each idea of the fast decoder gains: one ladder, rung by rung.

    # unitconv/evaluation/results/ladder.json
    python -m experiments.engine_ablation

Evaluation on the course model: questions of the test split, CoT prompt,
greedy, one thread. The rungs between `transformers.generate` and the
engine are the engine with an idea taken away
(`experiments.ablation_steps`); all but the first sort the prompts by
length. A last pair is of rollouts, ten samples a question. All give the
same tokens, or nothing is measured. They take turns, so that a machine that
slows down slows all of them; the record holds every time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from experiments.ablation_steps import ROLLOUT_STEPS, STEPS, Decoder, Job
from unitconv.common.io import write_json
from unitconv.inference.reference import BATCH_SIZE, Decoding
from unitconv.training.config import SAMPLES, TEMPERATURE

RESULTS = (
    Path(__file__).resolve().parents[1]
    / "unitconv"
    / "evaluation"
    / "results"
)
WARM_UP = 1
ROLLOUT_QUESTIONS = 100

app = typer.Typer(help=__doc__)


def measure(
    job: Job, repeats: int, steps: dict[str, Decoder] = STEPS
) -> dict[str, dict[str, list[float]]]:
    """CPU and wall seconds of each step, in turns, after a warm-up.

    Raises:
        ValueError: a step gives other tokens than the one before it.
    """
    times: dict[str, dict[str, list[float]]] = {
        name: {"cpu": [], "wall": []} for name in steps
    }
    want: list[list[int]] | None = None
    for turn in range(WARM_UP + repeats):
        for name, decode in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            got = decode(job)
            cpu = time.process_time() - cpu
            wall = time.perf_counter() - wall
            if want is not None and got != want:
                raise ValueError(f"{name!r}: other tokens than before")
            want = got
            if turn >= WARM_UP:
                times[name]["cpu"].append(round(cpu, 4))
                times[name]["wall"].append(round(wall, 4))
    return times


def gains(
    times: dict[str, dict[str, list[float]]], clock: str = "cpu"
) -> list[float | None]:
    """By what factor each step is faster than the one before it.

    The median over the turns of the ratio within a turn, where both met
    the same machine. The first step has none.
    """
    seconds = [step[clock] for step in times.values()]
    found: list[float | None] = [None]
    for before, after in pairwise(seconds):
        ratios = [b / a for b, a in zip(before, after, strict=True)]
        found.append(round(statistics.median(ratios), 3))
    return found


def record(
    job: Job,
    times: dict[str, dict[str, list[float]]],
    several: Job,
    rollouts: dict[str, dict[str, list[float]]],
    threads: int,
) -> dict[str, Any]:
    """What the chapter reads: the steps in order, and what ran where.

    Args:
        several: the job of the rollouts.
    """
    from unitconv.common.run_metadata import run_metadata

    return {
        "steps": as_steps(times),
        "rollouts": {
            "steps": as_steps(rollouts),
            "questions": len(several.prompts),
            "samples": several.samples,
            "slots": several.slots,
        },
        "run": {
            "questions": len(job.prompts),
            "slots": job.slots,
            "dtype": str(job.model.dtype).removeprefix("torch."),
            **(run_metadata() | {"threads": threads}),
        },
    }


def as_steps(
    times: dict[str, dict[str, list[float]]],
) -> list[dict[str, Any]]:
    """Each step with its median seconds, its gain and every time."""
    return [
        {
            "name": name,
            "cpu_seconds": statistics.median(step["cpu"]),
            "wall_seconds": statistics.median(step["wall"]),
            "gain": gain,
            "cpu": step["cpu"],
            "wall": step["wall"],
        }
        for (name, step), gain in zip(
            times.items(), gains(times), strict=True
        )
    ]


def course_job(questions: int, slots: int) -> Job:
    from unitconv.inference.llm import LLM
    from unitconv.task.dataset import load_split

    llm = LLM.from_pretrained("course", device="cpu", dtype="float32")
    prompts = prompts_of(llm, [q.text for q in load_split("test")])
    return Job(
        llm.model, prompts[:questions], llm.stop, slots, llm.pad_token_id
    )


def rollouts_of(job: Job) -> Job:
    """The same questions, each with several samples."""
    warm = Decoding(temperature=TEMPERATURE)
    return replace(job, settings=warm, samples=SAMPLES)


def prompts_of(llm: Any, texts: Sequence[str]) -> list[list[int]]:
    return [llm.encode(llm.format_prompt(text)) for text in texts]


@app.command()
def ladder(
    questions: Annotated[int, typer.Option(min=2, max=1000)] = 256,
    slots: Annotated[int, typer.Option(min=1)] = 64,
    repeats: Annotated[
        int, typer.Option(min=1, help="Turns after the warm-up.")
    ] = 5,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    out: Annotated[Path, typer.Option()] = RESULTS / "ladder.json",
) -> None:
    """Measure every rung and write the record."""
    torch.set_num_threads(threads)
    job = course_job(questions, slots)
    several = rollouts_of(course_job(ROLLOUT_QUESTIONS, BATCH_SIZE))
    times = measure(job, repeats)
    sampled = measure(several, repeats, ROLLOUT_STEPS)
    found = record(job, times, several, sampled, threads)
    for step in (*found["steps"], *found["rollouts"]["steps"]):
        gain = "" if step["gain"] is None else f"{step['gain']:.2f}x"
        typer.echo(f"{step['name']:24} {step['cpu_seconds']:7.2f} s {gain}")
    write_json(found, out)
    typer.echo(f"written: {out.name}")


if __name__ == "__main__":
    app()
