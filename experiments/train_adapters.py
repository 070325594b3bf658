"""Train, evaluate and record the adapters that the package ships.

    python -m experiments.train_adapters run  # seed 0, the shipped one
    python -m experiments.train_adapters run --seeds 3  # and 2 more
    python -m experiments.train_adapters sweep  # digits, ranks, ...
    python -m experiments.train_adapters ship  # seed 0 into the package
    python -m experiments.train_adapters collect  # the book's records

Every step is a command that a reader can type. Its output goes to
`_build/stages/`; a step with an output is skipped, and one that was killed
is resumed. `collect` writes `stages.json` and `sweeps.json` to
`unitconv/evaluation/results`.
"""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.adapter_card import adapter_card
from unitconv.common.io import write_json, write_text
from unitconv.common.run_metadata import machine
from unitconv.evaluation.report import Report, compare
from unitconv.evaluation.stats import Proportion
from unitconv.inference.load import ADAPTER_WEIGHTS, ADAPTERS
from unitconv.training.rejection_sampling import (
    outcome_counts,
    success_rate,
    success_rate_by_family,
)
from unitconv.training.rollouts import read_rollouts

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "_build" / "stages"
RESULTS = ROOT / "unitconv" / "evaluation" / "results"
# Adapter folders of the models to compare; None is the base, one-shot CoT.
STAGES: dict[str, str | None] = {
    "cot": None,
    "sft": "sft",
    "rft-1": "rft/round-1",
    "rft-2": "rft",
    "random": "random",
}
PAIRS = (
    *("cot sft", "cot rft-1", "sft rft-1"),
    *("rft-1 rft-2", "cot rft-2", "random rft-1"),
)
SPLITS = ("test", "test_hard")
DIGITS, RANKS, TEMPERATURES = (2, 3, 4, 6), (1, 4, 16, 64), (0.4, 0.8, 1.2)
SAMPLED = 300  # train questions for each temperature

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command()
def run(
    seeds: Annotated[int, typer.Option(min=1, help="0 to N - 1.")] = 1,
    first: Annotated[int, typer.Option(help="Begin with this seed.")] = 0,
) -> None:
    """Train and measure all stages."""
    for seed in range(first, seeds):
        run_seed(seed)


def run_seed(seed: int) -> None:
    folder, seeded = WORK / f"seed-{seed}", f"--seed={seed}"
    folder.mkdir(parents=True, exist_ok=True)
    triples, control = folder / "rft.json", folder / "random.json"
    step(["sft", seeded], folder / "sft")
    step(["rollouts", seeded], triples)
    step(["rft", f"--data={triples}", "--rounds=2", seeded], folder / "rft")
    # The control chooses among the same rollouts.
    record = control.with_suffix(".jsonl")
    if not record.exists():
        shutil.copy(triples.with_suffix(".jsonl"), record)
    step(["rollouts", "--policy=random", seeded], control)
    step(["rft", f"--data={control}", seeded], folder / "random")
    for name, adapter in STAGES.items():
        for split in SPLITS:
            chosen = [f"--adapter={folder / adapter}"] if adapter else []
            report = folder / f"{name}-{split}.json"
            step(["evaluate", *chosen, f"--split={split}"], report)


@app.command()
def sweep() -> None:
    """Vary one setting at a time, with seed 0, to check the defaults."""
    folder = WORK / "sweep"
    folder.mkdir(parents=True, exist_ok=True)
    trainings = {f"digits-{n}": f"--digits={n}" for n in DIGITS}
    trainings |= {f"rank-{n}": f"--rank={n}" for n in RANKS}
    for name, option in trainings.items():
        step(["sft", option], folder / name)
        options = [f"--adapter={folder / name}", "--split=valid"]
        step(["evaluate", *options], folder / f"{name}.json")
    for temperature in TEMPERATURES:
        options = [f"--temperature={temperature:g}", f"--limit={SAMPLED}"]
        output = folder / f"temperature-{temperature:g}.json"
        step(["rollouts", *options], output)


def step(arguments: list[str], output: Path) -> None:
    """Run a command unless its output exists; record its duration."""
    is_training = arguments[0] in ("sft", "rft")
    if (output / ADAPTER_WEIGHTS if is_training else output).exists():
        return
    option = "--json" if arguments[0] == "evaluate" else "--output"
    arguments = [*arguments, f"{option}={output}"]
    if is_training and (output / "run.json").exists():
        arguments.append("--resume")
    typer.echo("unitconv " + " ".join(arguments))
    start = time.perf_counter()
    command = [sys.executable, "-m", "unitconv.cli", *arguments]
    subprocess.run(command, check=True)
    took = {
        "command": [a.replace(f"{WORK}/", "") for a in arguments],
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_json(took, output.with_name(f"{output.name}.took"))


@app.command()
def ship() -> None:
    """Copy the adapters and rollouts of seed 0 into the package."""
    folder = WORK / "seed-0"
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
    """Write rates, comparisons and times of all seeds, and the sweeps."""
    seeds = {
        path.name: summary(path) for path in sorted(WORK.glob("seed-*"))
    }
    stages = {
        "machine": machine(),
        "seeds": seeds,
        "spread": spread(list(seeds.values())),
    }
    write_json(stages, RESULTS / "stages.json")
    write_json(sweeps(), RESULTS / "sweeps.json")
    typer.echo(f"{len(seeds)} seeds in {RESULTS}")


def summary(folder: Path) -> dict[str, Any]:
    """Collect one seed's rates, paired comparisons and times."""
    reports = {
        (name, split): json.loads(
            (folder / f"{name}-{split}.json").read_text()
        )
        for name in STAGES
        for split in SPLITS
    }
    return {
        "rates": {
            split: {name: slim(reports[name, split]) for name in STAGES}
            for split in SPLITS
        },
        "compared": {
            pair: compared(
                *(reports[name, "test"] for name in pair.split())
            )
            for pair in PAIRS
        },
        "rollouts": {
            name: rolled(path)
            for name, path in (
                ("round 1", folder / "rft.jsonl"),
                ("round 2", folder / "rft" / "rollouts-2.jsonl"),
            )
        },
        "took": {
            path.stem: json.loads(path.read_text())
            for path in sorted(folder.glob("*.took"))
        },
    }


def slim(report: dict[str, Any]) -> dict[str, Any]:
    """Remove a report's rows and the paths of this machine."""
    run = report["run"]
    adapter = run["adapter"] and run["adapter"].removeprefix(f"{WORK}/")
    kept = {k: v for k, v in report.items() if k != "rows"}
    return kept | {"run": run | {"adapter": adapter}}


def compared(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Compare two reports on the same questions by a paired test."""
    paired = compare(Report.from_json(a), Report.from_json(b))
    return {
        "n": paired.n,
        "only_first": paired.only_a,
        "only_second": paired.only_b,
        "difference": paired.difference,
        "ci95": list(paired.ci95),
        "p_value": paired.p_value,
    }


def rolled(path: Path) -> dict[str, Any]:
    """Summarise one file of rollouts."""
    records = read_rollouts(path)
    sizes = range(1, len(records[0].rollouts) + 1)
    return {
        "n": len(records),
        "fates": dict(outcome_counts(records).most_common()),
        "success": {n: rate(success_rate(records, n)) for n in sizes},
        "families": {
            family: rate(share)
            for family, share in success_rate_by_family(records).items()
        },
    }


def rate(share: Proportion) -> dict[str, Any]:
    return {"n": share.n, "rate": share.value, "ci95": list(share.ci95)}


def spread(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Compute mean and standard deviation over seeds, on the test split."""
    table: dict[str, Any] = {}
    for name in STAGES:
        for key in ("accuracy", "answer_rate", "reasoning_validity"):
            values = [s["rates"]["test"][name][key] for s in seeds]
            if None in values:
                continue
            sd = statistics.stdev(values) if len(values) > 1 else None
            table.setdefault(name, {})[key] = {
                "values": values,
                "mean": statistics.mean(values),
                "sd": sd,
            }
    return table


def sweeps() -> dict[str, Any]:
    folder = WORK / "sweep"
    collected: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        kind, value = path.stem.split("-")
        if kind == "temperature":
            record = path.with_suffix(".jsonl")
            entry = rolled(record) if record.exists() else {}
        else:
            entry = slim(json.loads(path.read_text()))
            weights = path.with_suffix("") / ADAPTER_WEIGHTS
            entry["adapter_bytes"] = weights.stat().st_size
        collected.setdefault(kind, {})[value] = entry
    return collected


if __name__ == "__main__":
    app()
