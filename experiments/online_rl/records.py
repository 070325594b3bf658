"""Records of online RL: steps, rates, paired tests, times."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.arms.records import Record, read_report, stage_record
from experiments.arms.stages import (
    N_SAMPLED,
    N_SAMPLES,
    SPLITS,
    folder_of,
)
from experiments.arms.stages import WORK as ARMS
from experiments.online_rl.stages import (
    CHOSEN,
    KNOBS,
    RATES,
    RFT_WITH_EXAMPLE,
    SAMPLED,
    SEEDS,
    WORK,
    chosen_run,
    run_name,
)
from unitconv.evaluation.report import Report, compare
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS


def online_record() -> Record:
    """Collect the sweep, the seeds and the knobs."""
    names = [run_name(loss, r, 0) for loss in CHOSEN for r in RATES]
    names += [chosen_run(loss, seed) for loss in CHOSEN for seed in SEEDS]
    done = [
        name
        for name in dict.fromkeys([*names, *KNOBS])
        if (WORK / name / ADAPTER_WEIGHTS).exists()
    ]
    measured = [
        *done,
        "warm",
        RFT_WITH_EXAMPLE,
        f"{chosen_run('dr_grpo')}-raw",
    ]
    return {
        "chosen": CHOSEN,
        "runs": {name: run_record(WORK / name) for name in done},
        "rates": {
            split: {
                name: stage_record(read_report(path))
                for name in measured
                if (path := WORK / f"{name}-{split}.json").exists()
            }
            for split in SPLITS
        },
        "compared": {split: compared(split) for split in SPLITS},
        "samples": samples_record(),
        "took": {
            path.stem: json.loads(path.read_text())
            for path in sorted(WORK.glob("*.took"))
        },
    }


def run_record(folder: Path) -> Record:
    """Summarise a run by the progress that its last checkpoint holds."""
    last = max(folder.glob("checkpoints/step-*"))
    progress = json.loads((last / "state.json").read_text())
    settings = json.loads((folder / "run.json").read_text())
    kept = ("loss", "learning_rate", "seed", "prompt", "reward", "adapter")
    return {
        "settings": {key: settings[key] for key in kept},
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


def compared(split: str) -> Record:
    """Compare runs and RFT by paired tests, seed by seed."""
    found: Record = {}
    for seed in SEEDS:
        reports = {
            "cot": ARMS / "prompts" / f"cot-{split}.json",
            "rft-2": folder_of(seed) / f"rft-2-{split}.json",
            **{
                loss: WORK / f"{chosen_run(loss, seed)}-{split}.json"
                for loss in CHOSEN
            },
        }
        if seed == 0:
            reports |= {
                name: WORK / f"{name}-{split}.json"
                for name in (*KNOBS, "warm", RFT_WITH_EXAMPLE)
            }
        found[f"seed-{seed}"] = _pairs(
            {
                name: read_report(path)
                for name, path in reports.items()
                if path.exists()
            }
        )
    return found


def _pairs(reports: dict[str, Report]) -> Record:
    pairs = [
        ("cot", "dr_grpo"),
        ("rft-2", "dr_grpo"),
        ("rft-2", "raft"),
        ("dr_grpo", "raft"),
        (RFT_WITH_EXAMPLE, "dr_grpo"),
        ("rft-2", "rft"),
        ("warm", "bare-warm"),
        *((knob, "dr_grpo") for knob in KNOBS),
    ]
    return {
        f"{a} {b}": compare(reports[a], reports[b]).to_json()
        for a, b in pairs
        if a in reports and b in reports
    }


def samples_record() -> Record:
    """Collect pass@k of the runs that were sampled."""
    splits: Record = {split: {} for split in SPLITS}
    for split, runs in splits.items():
        for name in SAMPLED:
            path = WORK / f"samples-{name}-{split}.json"
            if path.exists():
                report = json.loads(path.read_text())
                runs[name] = {
                    key: report[key]
                    for key in ("pass_at_k", "majority", "best_of_n")
                }
    return {"n": N_SAMPLED, "samples": N_SAMPLES, "splits": splits}
