"""The course's adapters: made by its own commands, measured, recorded.

    python -m experiments.train_adapters run  # the shipped seed, everything
    python -m experiments.train_adapters run --seeds 3  # and two more
    # digits, ranks, temperatures
    python -m experiments.train_adapters sweep
    python -m experiments.train_adapters ship  # seed 0 into the package
    python -m experiments.train_adapters collect  # what the book reads

Every step is a command that a reader can type. Its output lies in
`_build/stages/`; a step whose output is there is not run again, and one
that was killed goes on. `collect` writes `stages.json` and `sweeps.json`
to `unitconv/evaluation/results`.
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

from unitconv.common.io import write_json, write_text
from unitconv.common.run_metadata import machine
from unitconv.evaluation.report import Report, compare
from unitconv.inference.load import ADAPTER_WEIGHTS, ADAPTERS
from unitconv.training.rejection_sampling import (
    fates,
    success,
    success_by_family,
)
from unitconv.training.rollouts import read_records

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "_build" / "stages"
RESULTS = ROOT / "unitconv" / "evaluation" / "results"
# What is compared, and the adapter it is: None is the base, one-shot CoT.
STAGES: dict[str, str | None] = {
    "cot": None,
    "sft": "sft",
    "rft-1": "rft/round-1",
    "rft-2": "rft",
    "random": "random",
}
DIGITS, RANKS, TEMPERATURES = (2, 3, 4, 6), (1, 4, 16, 64), (0.4, 0.8, 1.2)
SAMPLED = 300  # questions of the train split in a sweep of temperatures

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
    folder, s = WORK / f"seed-{seed}", ["--seed", str(seed)]
    folder.mkdir(parents=True, exist_ok=True)
    rft = folder / "rft.json"
    step(["sft", "-o", f"{folder}/sft", *s], folder / "sft")
    step(["rollouts", "-o", str(rft), *s], rft)
    rounds = ["rft", "--data", str(rft), "--rounds", "2", *s]
    step([*rounds, "-o", f"{folder}/rft"], folder / "rft")
    # The control chooses among the same rollouts.
    control = folder / "random.json"
    record = control.with_suffix(".jsonl")
    if not record.exists():
        shutil.copy(rft.with_suffix(".jsonl"), record)
    how = ["--policy", "random"]
    step(["rollouts", "-o", str(control), *how, *s], control)
    step(
        ["rft", "--data", str(control), "-o", f"{folder}/random", *s],
        folder / "random",
    )
    for name, adapter in STAGES.items():
        for split in ("test", "test_hard"):
            report = folder / f"{name}-{split}.json"
            chosen = ["--adapter", f"{folder}/{adapter}"] if adapter else []
            how = ["--split", split, "--json", str(report)]
            step(["evaluate", *chosen, *how], report)


@app.command()
def sweep() -> None:
    """One thing changed at a time, seed 0: what the defaults rest on."""
    folder = WORK / "sweep"
    folder.mkdir(parents=True, exist_ok=True)
    for digits in DIGITS:
        train_and_grade(
            ["sft", "--digits", str(digits)], f"digits-{digits}"
        )
    for rank in RANKS:
        train_and_grade(["sft", "--rank", str(rank)], f"rank-{rank}")
    for warm in TEMPERATURES:
        output = folder / f"temperature-{warm:g}.json"
        how = ["--temperature", f"{warm:g}", "--limit", str(SAMPLED)]
        step(["rollouts", *how, "-o", str(output)], output)


def train_and_grade(command: list[str], name: str) -> None:
    folder = WORK / "sweep" / name
    step([*command, "-o", str(folder)], folder)
    report = folder.with_name(f"{name}.json")
    how = ["--split", "valid", "--json", str(report)]
    step(["evaluate", "--adapter", str(folder), *how], report)


def step(arguments: list[str], output: Path) -> None:
    """One command, unless its output is there; how long it took."""
    is_training = arguments[0] in ("sft", "rft")
    if (output / ADAPTER_WEIGHTS if is_training else output).exists():
        return
    if is_training and (output / "run.json").exists():
        arguments = [*arguments, "--resume"]
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
    """The adapters and rollouts of seed 0 into the package."""
    folder = WORK / "seed-0"
    RESULTS.mkdir(exist_ok=True)
    for name, stage in (("sft", "sft"), ("rft", "rft-2")):
        shipped = ADAPTERS / name
        shipped.mkdir(parents=True, exist_ok=True)
        for file in ("adapter_config.json", ADAPTER_WEIGHTS, "run.json"):
            shutil.copy(folder / name / file, shipped / file)
        write_text(card(folder, name, stage), shipped / "README.md")
    shutil.copy(folder / "rft.json", RESULTS / "rft.json")
    # Without a time in it, so that the same record gives the same bytes.
    packed = gzip.compress((folder / "rft.jsonl").read_bytes(), mtime=0)
    (RESULTS / "rollouts.jsonl.gz").write_bytes(packed)


def card(folder: Path, name: str, stage: str) -> str:
    """What a shipped adapter is, from the records beside it."""
    run = json.loads((folder / name / "run.json").read_text())
    trained = ", ".join(
        f"{key.replace('_', ' ')} {value}"
        for key, value in run.items()
        if key not in NOT_SETTINGS
    )
    commands = COMMANDS[name]
    return CARD.format(
        title=name.upper(),
        what=commands[0],
        rows=run["n_rows"],
        trained=trained,
        commands="\n".join(commands[1:]),
        results="\n".join(
            result_line(folder / f"{stage}-{split}.json", split)
            for split in ("test", "test_hard")
        ),
    )


# What else a run's record holds: its rows, and where it ran.
NOT_SETTINGS = ("n_rows", "rows", "machine", "threads", "when", "versions")
COMMANDS = {
    "sft": (
        "questions with their answers, without reasoning",
        "unitconv sft --output my_sft",
    ),
    "rft": (
        "questions with reasoning that the base model, and then the model "
        "of the first round, sampled themselves, where it was right and "
        "passed the audit",
        "unitconv rollouts --output rft.json",
        "unitconv rft --data rft.json --rounds 2 --output my_rft",
    ),
}
CARD = """---
license: mit
library_name: peft
base_model: course
---

# {title}: an adapter for the course model

A LoRA adapter of the course *unitconv*, for the model that its package
ships. It was trained on the train split: {rows} rows, {what}.

Made again by:

```bash
{commands}
```

Settings: {trained}.

## Results

Greedy, the question alone as prompt; 95 % Wilson intervals in brackets.
*valid*: of the replies that state a fact or a product, those that state
nothing false.

| questions | n | accuracy | answered | valid |
|---|---|---|---|---|
{results}

## Limits

Those of its base: it knows the units of the course and little else. Use it
to learn how training works, not to convert units.

## Licence

MIT.
"""


def result_line(path: Path, split: str) -> str:
    report = json.loads(path.read_text())
    cells = [split, str(report["n"])]
    for key in ("accuracy", "answer_rate", "reasoning_validity"):
        low, high = report[f"{key}_ci95"]
        value = report[key]
        cells.append(
            "" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"
        )
    return f"| {' | '.join(cells)} |"


@app.command()
def collect() -> None:
    """Rates, comparisons and times of all seeds, and the sweeps."""
    RESULTS.mkdir(exist_ok=True)
    seeds = sorted(WORK.glob("seed-*"))
    found = {folder.name: summary(folder) for folder in seeds}
    write_json(
        {
            "machine": machine(),
            "seeds": found,
            "spread": spread(list(found.values())),
        },
        RESULTS / "stages.json",
    )
    write_json(sweeps(), RESULTS / "sweeps.json")
    typer.echo(f"{len(found)} seeds in {RESULTS}")


def summary(folder: Path) -> dict[str, Any]:
    """One seed: every stage's rates, and what differs from what."""
    reports = {
        (name, split): json.loads(
            (folder / f"{name}-{split}.json").read_text()
        )
        for name in STAGES
        for split in ("test", "test_hard")
    }
    pairs = [
        *(("cot", "sft"), ("cot", "rft-1"), ("sft", "rft-1")),
        *(("rft-1", "rft-2"), ("cot", "rft-2"), ("random", "rft-1")),
    ]
    return {
        "rates": {
            split: {name: slim(reports[name, split]) for name in STAGES}
            for split in ("test", "test_hard")
        },
        "compared": {
            f"{a} {b}": compared(reports[a, "test"], reports[b, "test"])
            for a, b in pairs
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
    """A report without its rows, and without a path of this machine."""
    run = report["run"]
    adapter = run["adapter"] and run["adapter"].removeprefix(f"{WORK}/")
    kept = {k: v for k, v in report.items() if k != "rows"}
    return kept | {"run": run | {"adapter": adapter}}


def compared(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """The paired test of two reports on the same questions."""
    found = compare(Report.from_json(a), Report.from_json(b))
    return {
        "n": found.n,
        "only_first": found.only_a,
        "only_second": found.only_b,
        "difference": found.difference,
        "ci95": list(found.ci95),
        "p_value": found.p_value,
    }


def rolled(path: Path) -> dict[str, Any]:
    """What one record of rollouts says."""
    records = read_records(path)
    sizes = range(1, len(records[0].rollouts) + 1)
    return {
        "n": len(records),
        "fates": dict(fates(records).most_common()),
        "success": {n: rate(success(records, n)) for n in sizes},
        "families": {
            family: rate(found)
            for family, found in success_by_family(records).items()
        },
    }


def rate(found: Any) -> dict[str, Any]:
    return {"n": found.n, "rate": found.value, "ci95": list(found.ci95)}


def spread(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds, on the test split."""
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
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        kind, value = path.stem.split("-")
        if kind == "temperature":
            record = path.with_suffix(".jsonl")
            entry = rolled(record) if record.exists() else {}
        else:
            entry = slim(json.loads(path.read_text()))
            weights = path.with_suffix("") / ADAPTER_WEIGHTS
            entry["adapter_bytes"] = weights.stat().st_size
        found.setdefault(kind, {})[value] = entry
    return found


if __name__ == "__main__":
    app()
