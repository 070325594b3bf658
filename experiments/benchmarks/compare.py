"""Decoders and trainers against their peers, two at a time, in turns.

    python -m experiments.benchmarks.compare decode  # the course model
    python -m experiments.benchmarks.compare decode --model smollm2
    python -m experiments.benchmarks.compare train
    python -m experiments.benchmarks.compare table results/*.json
    python -m experiments.benchmarks.compare collect FILES

Each peer is a process that stays; ours and one other take turns. Every
run is written to `benchmarks/results` as it was measured.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import unitconv
from experiments.benchmarks.contests import CONTESTS, Contest, dtypes
from experiments.benchmarks.models import DTYPES, model_folder
from experiments.benchmarks.process import Peer, write_task
from experiments.benchmarks.ratios import pairwise
from experiments.benchmarks.record import HEAD, line, save
from experiments.benchmarks.workloads import Workload, build, check
from unitconv.common.io import write_json
from unitconv.inference.llm import LLM
from unitconv.inference.load import has_fast_bf16
from unitconv.task.dataset import load_split
from unitconv.training.config import SAMPLES, TEMPERATURE

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "_build" / "benchmarks"
# What the library does by itself, but for six: the test split has 1000
# questions, and a slot is to be filled four times.
SLOTS = 250
ONE_BY_ONE = 12  # prompts of the workload without company

app = typer.Typer(help=__doc__, no_args_is_help=True)
Model = Annotated[str, typer.Option(help="course or smollm2.")]
Repeats = Annotated[int, typer.Option(min=1, help="Turns of each pair.")]
Threads = Annotated[int, typer.Option(min=1, help="Of every peer.")]


@app.command()
def decode(
    model: Model = "course",
    slots: Annotated[int, typer.Option(min=2, help="Ours.")] = SLOTS,
    peer_slots: Annotated[
        str, typer.Option(help="Tried by a peer, which keeps its fastest.")
    ] = "64,128,250",
    prompts: Annotated[int, typer.Option(help="At least 4 x slots.")] = 4
    * SLOTS,
    repeats: Repeats = 5,
    threads: Threads = 1,
    only: Annotated[
        str, typer.Option(help="WORKLOAD, :PEER or WORKLOAD:PEER.")
    ] = "",
) -> None:
    """Measure useful tokens a second, ours against each peer's."""
    sweep = [int(part) for part in peer_slots.split(",")]
    if prompts < 4 * max(slots, *sweep):
        raise typer.BadParameter("a slot must be filled again: 4 x slots")
    chosen = [contest for contest in CONTESTS if contest.matches(only)]
    if not chosen:
        raise typer.BadParameter(f"no workload and no peer is {only!r}")
    WORK.mkdir(parents=True, exist_ok=True)
    folder = model_folder(model, WORK)
    workloads = course_workloads(prompts, slots)
    rows: list[dict[str, Any]] = []
    try:
        for contest in chosen:
            job = workloads[contest.job]
            tried = [1] if job.slots == 1 else sweep
            tasks = {
                n: write_task(
                    *(WORK, folder, DTYPES[model], threads),
                    replace(job, slots=n),
                )
                for n in {job.slots, *tried}
            }
            best = fastest(contest.peer, {n: tasks[n] for n in tried})
            row = duel(contest, tasks[job.slots], repeats, tasks[best])
            row["slots"] = {"ours": job.slots, "peer": best}
            row["dtype"] = dtypes(contest.peer, DTYPES[model])
            rows.append(row)
            typer.echo(line(row))
    finally:  # a peer that dies takes no finished row with it
        how = {"model": model, "slots": slots, "prompts": prompts}
        path = save(f"decode-{model}", rows, threads, **how)
        typer.echo(f"written: {path.name}")


@app.command()
def train(
    model: Model = "course",
    steps: Annotated[int, typer.Option(min=1)] = 30,
    repeats: Repeats = 5,
    threads: Threads = 1,
) -> None:
    """Measure tokens trained a second, ours against TRL's SFTTrainer."""
    WORK.mkdir(parents=True, exist_ok=True)
    task = WORK / "train.json"
    folder = str(model_folder(model, WORK))
    write_json({"threads": threads, "steps": steps, "model": folder}, task)
    contest = Contest("SFT step", "trl_sft", 1.0, ours="our_sft")
    autocast = has_fast_bf16(torch.device("cpu"))
    dtype = "float32, bf16 autocast" if autocast else "float32"
    row = duel(contest, task, repeats, task) | {"dtype": dtype}
    typer.echo(line(row))
    path = save(f"train-{model}", [row], threads, model=model, steps=steps)
    typer.echo(f"written: {path.name}")


@app.command()
def table(files: list[Path]) -> None:
    """Print measured files again, as Markdown tables."""
    for path in files:
        data = json.loads(path.read_text())
        typer.echo(f"\n{path.stem}: {data['machine']}, {data['when']}\n")
        typer.echo("\n".join([*HEAD, *map(line, data["rows"])]))


@app.command()
def collect(files: list[Path]) -> None:
    """What the book reads: the contests of several files as one record."""
    joined = join([json.loads(f.read_text()) for f in files])
    path = (
        Path(unitconv.__file__).parent
        / "evaluation"
        / "results"
        / record_of(joined)
    )
    write_json(joined, path)
    typer.echo(f"written: {path.name}")


def record_of(run: dict[str, Any]) -> str:
    """The file that the contests of a run's model are kept in."""
    model = run["model"]
    return "peers.json" if model == "course" else f"peers-{model}.json"


def join(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Runs of one day and machine as one; a contest's last run counts.

    Raises:
        ValueError: they differ in more than their rows and their time.
    """
    hows = [
        {k: v for k, v in run.items() if k not in ("rows", "when")}
        for run in runs
    ]
    for how in hows[1:]:
        differ = [k for k in how if how[k] != hows[0].get(k)]
        if differ or len(how) != len(hows[0]):
            raise ValueError(f"runs that differ: {', '.join(differ)}")
    held = {(r["job"], r["peer"]): r for run in runs for r in run["rows"]}
    order = [(contest.job, contest.peer) for contest in CONTESTS]
    rows = [held[contest] for contest in order if contest in held]
    return runs[0] | {"rows": rows}


def course_workloads(n: int, slots: int) -> dict[str, Workload]:
    """The workloads by name, as long as the course model's replies."""
    llm = LLM.from_pretrained("course", device="cpu", dtype="float32")
    # The test split holds 1000 questions: enough for any `n` in use.
    texts = [question.text for question in load_split("test")[:n]]
    chats = [llm.format_prompt(text) for text in texts]
    lengths = [row[0].n_tokens for row in llm.complete(chats)]
    cot = [llm.encode(chat) for chat in chats]
    bare = [llm.encode(text) for text in texts]
    few = slice(ONE_BY_ONE)
    # As many replies as there are in an evaluation.
    many = slice(-(-n // SAMPLES))
    found = (
        build("evaluation", cot, lengths, slots),
        build(
            "rollouts",
            cot[many],
            lengths[many],
            slots,
            SAMPLES,
            TEMPERATURE,
        ),
        build("no shared prefix", bare, lengths, slots),
        build("one sequence", cot[few], lengths[few], 1),
    )
    return {workload.name: workload for workload in found}


def fastest(peer: str, tasks: dict[int, Path]) -> int:
    """With how many slots a peer is fastest: one warm run with each."""
    if len(tasks) == 1:
        return min(tasks)
    took = {}
    for slots, task in tasks.items():
        with Peer(peer, task) as process:
            took[slots] = process.repeat()["wall"]
    return min(took, key=lambda slots: float(took[slots]))


def duel(
    contest: Contest, task: Path, repeats: int, peer_task: Path
) -> dict[str, Any]:
    """Ours and a peer in turns, A B A B, after a warm-up of each."""
    turns: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    with (
        Peer(contest.ours, task) as ours,
        Peer(contest.peer, peer_task) as peer,
    ):
        for _ in range(repeats):
            turns["ours"].append(ours.repeat())
            turns["peer"].append(peer.repeat())
    tokens = useful_tokens(task, turns)
    row: dict[str, Any] = {
        **asdict(contest),
        "tokens": tokens,
        "same_replies": same_replies(turns["ours"][0], turns["peer"][0]),
    }
    for clock in ("wall", "cpu"):
        ours_s, peer_s = (
            [turn[clock] for turn in turns[side]] for side in turns
        )
        row[clock] = {"ours": ours_s, "peer": peer_s}
        row[f"{clock}_ratio"] = asdict(pairwise(peer_s, ours_s))
    return row


def useful_tokens(
    task: Path, turns: dict[str, list[dict[str, Any]]]
) -> int:
    """How many tokens each turn was for, once that is verified.

    Raises:
        WorkloadError: a decoder emitted other lengths than it was given.
        ValueError: trainers that learned from different tokens.
    """
    every = [turn for side in turns.values() for turn in side]
    if "replies" not in every[0]:
        counts = {turn["tokens"] for turn in every}
        if len(counts) != 1:
            raise ValueError(f"different tokens were trained: {counts}")
        return int(counts.pop())
    workload = Workload(**json.loads(task.read_text())["workload"])
    for turn in every:
        check(workload, [[*map(len, row)] for row in turn["replies"]])
    return workload.n_tokens


def same_replies(a: dict[str, Any], b: dict[str, Any]) -> float | None:
    """The share of prompts that both gave the same greedy reply.

    As far as both replies go: one may have been dealt a longer one. With
    several samples a prompt there is nothing to compare.
    """
    if "replies" not in a or len(a["replies"][0]) > 1:
        return None
    pairs = [
        zip(left[0], right[0], strict=False)
        for left, right in zip(a["replies"], b["replies"], strict=True)
    ]
    return sum(all(x == y for x, y in p) for p in pairs) / len(pairs)


if __name__ == "__main__":
    app()
