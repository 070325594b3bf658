"""Train, evaluate and record all arms of the course's experiment.

    python -m experiments.train_adapters run --seeds 3  # every arm
    python -m experiments.train_adapters sweep  # digits, ranks, ...
    python -m experiments.train_adapters ship  # seed 0 into the package
    python -m experiments.train_adapters collect  # the book's records

`experiments/arms/stages.py` lists the arms. Every step is a command that a
reader can type. Its output goes to `_build/stages/`; a step with an output
is skipped, and one that was killed is resumed. `collect` writes
`stages.json`, `pass_at_k.json` and `sweeps.json` to
`unitconv/evaluation/results`.
"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.adapter_card import adapter_card
from experiments.arms import stages
from experiments.arms.records import (
    prompts_record,
    read_report,
    rolled,
    samples_record,
    seed_record,
    spread,
    stage_record,
)
from experiments.arms.stages import RESULTS, SPLITS, WORK, folder_of
from experiments.arms.steps import Jobs, Step, run_all
from unitconv.common.io import write_json, write_text
from unitconv.common.run_metadata import machine
from unitconv.evaluation.stats import PairedComparison
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS, ADAPTERS
from unitconv.training.config import (
    SIGNIFICANT_DIGITS,
    TEMPERATURE,
    TrainingSettings,
)
from unitconv.training.examples import read_triples
from unitconv.training.rollouts import read_rollouts

DIGITS, RANKS, TEMPERATURES = (2, 3, 4, 6), (1, 4, 16, 64), (0.4, 0.8, 1.2)
DEFAULTS = {
    "digits": f"{SIGNIFICANT_DIGITS}",
    "rank": f"{TrainingSettings.rank}",
    "temperature": f"{TEMPERATURE:g}",
}


app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command()
def run(
    seeds: Annotated[int, typer.Option(min=1, help="0 to N - 1.")] = 1,
    first: Annotated[int, typer.Option(help="Begin with this seed.")] = 0,
    jobs: Jobs = 2,
) -> None:
    """Train and measure all arms."""
    numbers = range(first, seeds)
    for phase in (stages.first_steps, stages.selection_steps):
        run_all([s for seed in numbers for s in phase(seed)], jobs)
    for seed in numbers:
        write_matched_questions(folder_of(seed))
    run_all([s for n in numbers for s in stages.training_steps(n)], jobs)
    measured = [s for n in numbers for s in stages.evaluation_steps(n)]
    if first == 0:
        measured = [
            *stages.sampling_steps(),
            *stages.prompt_steps(),
            *measured,
        ]
    run_all(measured, jobs)


def write_matched_questions(folder: Path) -> None:
    """Write one row for each of RFT's, so as to train SFT on as many."""
    triples = read_triples(folder / "rft.json")
    pairs = [[triple.question, triple.answer] for triple in triples]
    write_text(json.dumps(pairs, indent=0) + "\n", folder / "matched.json")


@app.command()
def sweep(jobs: Jobs = 2) -> None:
    """Vary one setting at a time, with seed 0, to check the defaults."""
    folder = WORK / "sweep"
    trainings = {f"digits-{n}": f"--digits={n}" for n in DIGITS}
    trainings |= {f"rank-{n}": f"--rank={n}" for n in RANKS}
    steps = [
        Step(["sft", o], folder / name) for name, o in trainings.items()
    ]
    for temperature in TEMPERATURES:
        options = [f"--temperature={temperature:g}", "--split=valid"]
        output = folder / f"temperature-{temperature:g}.json"
        options += ["--split=valid_hard"]
        steps.append(Step(["rollouts", *options], output))
    run_all(steps, jobs)
    run_all(
        [
            Step(
                ["evaluate", f"--adapter={folder / name}", "--split=valid"],
                folder / f"{name}.json",
            )
            for name in trainings
        ],
        jobs,
    )


@app.command()
def ship() -> None:
    """Copy the adapters and rollouts of seed 0 into the package."""
    folder = folder_of(0)
    RESULTS.mkdir(exist_ok=True)
    for name, stage in (("sft", "sft"), ("rft", "rft-2")):
        shipped = ADAPTERS / name
        shipped.mkdir(parents=True, exist_ok=True)
        for file in ("adapter_config.json", ADAPTER_WEIGHTS, "run.json"):
            shutil.copy(folder / name / file, shipped / file)
        reports = {s: folder / f"{stage}-{s}.json" for s in SPLITS}
        card = adapter_card(name, folder / name / "run.json", reports)
        write_text(card, shipped / "README.md")
    shutil.copy(folder / "rft.json", RESULTS / "rft.json")
    # Without a time stamp the same record gives the same bytes.
    packed = gzip.compress((folder / "rft.jsonl").read_bytes(), mtime=0)
    (RESULTS / "rollouts.jsonl.gz").write_bytes(packed)


@app.command()
def collect() -> None:
    """Write rates, paired tests and times of all seeds, and the sweeps."""
    names = sorted(path.name for path in WORK.glob("seed-*"))
    seeds = {name: seed_record(int(name.split("-")[1])) for name in names}
    record = {
        "machine": machine(),
        "prompts": prompts_record(),
        "seeds": seeds,
        "spread": spread(list(seeds.values())),
    }
    write_json(record, RESULTS / "stages.json")
    write_json(
        {"machine": machine()} | samples_record(),
        RESULTS / "pass_at_k.json",
    )
    if (WORK / "sweep").exists():
        write_json(sweeps(), RESULTS / "sweeps.json")
    typer.echo(f"{len(seeds)} seeds in {RESULTS}")


def sweeps() -> dict[str, Any]:
    """Collect the sweeps: setting -> value -> rates, and a paired test.

    The test compares the value with the default on the same questions: of
    `valid`, where the answer is right; for a temperature, of `valid` and
    `valid_hard`, where a sample was kept.
    """
    collected: dict[str, Any] = {}
    for kind, default in DEFAULTS.items():
        paths = {
            path.stem.split("-")[1]: path
            for path in sorted((WORK / "sweep").glob(f"{kind}-*.json"))
        }
        found = {value: sweep_entry(kind, p) for value, p in paths.items()}
        won = {
            value: successes(kind, path) for value, path in paths.items()
        }
        for value, entry in found.items():
            if value != default:
                pairs = list(zip(won[default], won[value], strict=True))
                paired = PairedComparison(
                    n=len(pairs),
                    only_a=pairs.count((True, False)),
                    only_b=pairs.count((False, True)),
                )
                entry["against_default"] = paired.to_json()
        collected[kind] = found
    return collected


def sweep_entry(kind: str, path: Path) -> dict[str, Any]:
    if kind == "temperature":
        return rolled(path.with_suffix(".jsonl"))
    entry = stage_record(read_report(path))
    weights = path.with_suffix("") / ADAPTER_WEIGHTS
    return entry | {"adapter_bytes": weights.stat().st_size}


def successes(kind: str, path: Path) -> list[bool]:
    """Return for each question whether the run succeeded on it."""
    if kind == "temperature":
        records = read_rollouts(path.with_suffix(".jsonl"))
        return [bool(record.kept) for record in records]
    return [row.correct for row in read_report(path).rows]


if __name__ == "__main__":
    app()
