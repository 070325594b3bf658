"""Records of online RL: steps, rates, paired tests, times."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.arms.records import Record, read_report, stage_record
from experiments.arms.stages import N_SAMPLED, N_SAMPLES, SPLITS
from experiments.online_rl.stages import (
    CHOSEN,
    KNOBS,
    RATES,
    RFT_WITH_EXAMPLE,
    RFT_WITH_FEW,
    RFT_WITH_FEW_AND_EXAMPLE,
    SAMPLED,
    SEEDS,
    VARIANTS,
    WORK,
    chosen_run,
    short_name,
)
from unitconv.evaluation.report import Report, compare
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS


def online_record() -> Record:
    """Collect the sweep, the seeds, the knobs and the variants."""
    short = [short_name(loss, rate) for loss in CHOSEN for rate in RATES]
    seeds = [chosen_run(loss, seed) for loss in CHOSEN for seed in SEEDS]
    done = [
        name
        for name in (*short, *seeds, *KNOBS, *VARIANTS, "long")
        if (WORK / name / ADAPTER_WEIGHTS).exists()
    ]
    return {
        "chosen": CHOSEN,
        "shipped": chosen_run("dr_grpo"),
        "runs": {name: run_record(WORK / name) for name in done},
        "rates": {
            split: {
                name: rates_record(report)
                for name, report in reports_of(split).items()
            }
            for split in SPLITS
        },
        "compared": {
            split: compared(reports_of(split)) for split in SPLITS
        },
        "samples": samples_record(),
        "took": {
            path.stem: json.loads(path.read_text())
            for path in sorted(WORK.glob("*.took"))
        },
    }


def reports_of(split: str) -> dict[str, Report]:
    """Read the evaluations that there are: name -> report."""
    seeds = [chosen_run(loss, seed) for loss in CHOSEN for seed in SEEDS]
    raw = f"{chosen_run('dr_grpo')}-raw"
    few = (RFT_WITH_FEW, RFT_WITH_FEW_AND_EXAMPLE)
    others = ("cot", "rft-2", RFT_WITH_EXAMPLE, *few, "warm", raw, "long")
    return {
        name: read_report(path)
        for name in (*seeds, *VARIANTS, *others)
        if (path := WORK / f"{name}-{split}.json").exists()
    }


def rates_record(report: Report) -> Record:
    """Summarize a report, without this machine's folders."""
    record = stage_record(report)
    short = _short(record["run"]["adapter"])
    record["run"] = record["run"] | {"adapter": short}
    return record


def _short(adapter: str | None) -> str | None:
    """Leave this machine's folders out of an adapter's path."""
    return adapter and adapter.rpartition("/_build/")[2]


def run_record(folder: Path) -> Record:
    """Summarise a run by the progress that its last checkpoint holds."""
    last = max(folder.glob("checkpoints/step-*"))
    progress = json.loads((last / "state.json").read_text())
    settings = json.loads((folder / "run.json").read_text())
    kept = ("loss", "learning_rate", "seed", "prompt", "reward")
    return {
        "settings": {key: settings[key] for key in kept}
        | {"adapter": _short(settings["adapter"])},
        "steps": [_flat(step) for step in progress["history"]],
        "valid": progress["valid_scores"],
        "best_step": progress["best_step"],
        "seconds": round(progress["seconds"], 1),
    }


def _flat(step: Record) -> Record:
    values = {k: v for k, v in step.items() if k != "update"}
    return {
        name: round(value, 5) if isinstance(value, float) else value
        for name, value in (values | step["update"]).items()
    }


def compared(reports: dict[str, Report]) -> Record:
    """Compare runs by paired tests: rival and run -> what changed."""
    first = chosen_run("dr_grpo")
    pairs = [(first, "long"), ("rft-2", "rft"), ("warm", "bare-warm")]
    pairs += [
        ("rft-2", RFT_WITH_EXAMPLE),
        (RFT_WITH_FEW, RFT_WITH_FEW_AND_EXAMPLE),
        (RFT_WITH_EXAMPLE, "after-rft-cot"),
    ]
    few = (RFT_WITH_FEW, RFT_WITH_FEW_AND_EXAMPLE)
    for seed in SEEDS:
        dr_grpo, raft = (chosen_run(loss, seed) for loss in CHOSEN)
        pairs += [
            (rival, run)
            for rival in ("cot", "rft-2", *few)
            for run in (dr_grpo, raft)
        ]
        pairs += [(dr_grpo, raft)]
    pairs += [
        (RFT_WITH_EXAMPLE, first),
        (first, "answer"),
        (first, f"{first}-raw"),
    ]
    return {
        f"{a} {b}": compare(reports[a], reports[b]).to_json()
        for a, b in pairs
        if a in reports and b in reports
    }


def samples_record() -> Record:
    """Collect pass@k, and greedy accuracy on the questions sampled."""
    splits: Record = {}
    for split in SPLITS:
        splits[split] = {
            "greedy": {
                name: sum(r.correct for r in list(report.rows)[:N_SAMPLED])
                for name, report in reports_of(split).items()
            }
        }
        for name in SAMPLED:
            path = WORK / f"samples-{name}-{split}.json"
            if path.exists():
                report = json.loads(path.read_text())
                splits[split][name] = {
                    key: report[key]
                    for key in ("pass_at_k", "majority", "best_of_n")
                }
    return {"n": N_SAMPLED, "samples": N_SAMPLES, "splits": splits}
