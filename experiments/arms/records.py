"""Records of the arms: rates, paired tests, rollouts, epochs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.arms.stages import (
    BY_FAMILY,
    N_SAMPLED,
    N_SAMPLES,
    PAIRS,
    PROMPTS,
    SAMPLED,
    SPLITS,
    TRAINED,
    WORK,
    folder_of,
)
from unitconv.common.io import write_json
from unitconv.evaluation.breakdown import (
    Group,
    by_difficulty,
    by_product,
    summarize,
)
from unitconv.evaluation.report import Report, compare
from unitconv.evaluation.stats import Proportion, holm
from unitconv.task.question_parser import DIFFICULTIES, PRODUCTS
from unitconv.training.rejection_sampling import (
    outcome_counts,
    success_rate,
    success_rate_by_family,
)
from unitconv.training.rollouts import read_rollouts

Record = dict[str, Any]
# An error that is right for another unit of the same name.
ALTERNATIVE_UNIT = "namesake"
_KINDS = tuple(
    f"_{kind.replace(' ', '_')}" for kind in (*DIFFICULTIES, *PRODUCTS)
)
# Folders whose accuracy after each epoch is recorded.
EPOCHS = {name: TRAINED[name] for name in ("sft", "rft-1", "rft-2")}


def read_report(path: Path) -> Report:
    return Report.from_json(json.loads(path.read_text()))


def prompts_record() -> dict[str, dict[str, Record]]:
    """Collect the rates of every prompt: split -> prompt -> rates."""
    return {
        split: {
            name: stage_record(
                read_report(WORK / "prompts" / f"{name}-{split}.json")
            )
            for name in PROMPTS
        }
        for split in SPLITS
    }


def seed_record(seed: int) -> Record:
    """Collect one seed's rates, paired tests, rollouts and times."""
    folder = folder_of(seed)
    reports = {
        split: {
            name: read_report(
                (WORK / "prompts" if name in PROMPTS else folder)
                / f"{name}-{split}.json"
            )
            for name in (*PROMPTS, *TRAINED)
        }
        for split in SPLITS
    }
    return {
        "rates": {
            split: {
                name: stage_record(report)
                for name, report in stages.items()
                if name == "cot" or name in TRAINED
            }
            for split, stages in reports.items()
        },
        "compared": {
            split: compare_pairs(stages)
            for split, stages in reports.items()
        },
        "families": {
            split: {
                pair: compare_families(*(stages[s] for s in pair.split()))
                for pair in BY_FAMILY
            }
            for split, stages in reports.items()
        },
        "rollouts": {
            "round 1": rolled(folder / "rft.jsonl"),
            "round 2": rolled(folder / "rft" / "rollouts-2.jsonl"),
        },
        "epochs": {
            name: epochs(folder / path) for name, path in EPOCHS.items()
        },
        "took": {
            path.stem: json.loads(path.read_text())
            for path in sorted(folder.glob("*.took"))
        },
    }


def stage_record(report: Report) -> Record:
    """Summarise a report, without its rows and this machine's paths."""
    run = report.run
    if run["adapter"]:
        adapter = run["adapter"].removeprefix(f"{WORK}/")
        run = run | {"adapter": adapter}
    steps = summarize(report.rows).steps
    return report.to_json() | {
        "run": run,
        "steps": steps.value,
        "steps_ci95": list(steps.ci95),
        "alternative_unit": report.failures[ALTERNATIVE_UNIT],
        "by_difficulty": group_records(by_difficulty(report.rows)),
        "by_product": group_records(by_product(report.rows)),
    }


def group_records(groups: dict[str, Group]) -> dict[str, Record]:
    return {
        kind: {
            "n": group.accuracy.n,
            "accuracy": group.accuracy.value,
            "accuracy_ci95": list(group.accuracy.ci95),
            "steps": group.steps.value,
            "tokens": group.tokens,
        }
        for kind, group in groups.items()
    }


def compare_pairs(stages: dict[str, Report]) -> dict[str, Record]:
    """Compare the stages of `PAIRS` on one split by paired tests."""
    compared: dict[str, Record] = {}
    for pair in PAIRS:
        first, second = (stages[name] for name in pair.split())
        alternatives = {
            "alternative_unit": alternative_units(first, second)
        }
        compared[pair] = compare(first, second).to_json() | alternatives
    return compared


def alternative_units(first: Report, second: Report) -> dict[str, int]:
    """Count the questions that differ by an answer in another unit.

    `gained` are those that only the second report has right, and the first
    in another unit of the same name, such as the UK gallon.
    """
    pairs = list(zip(first.rows, second.rows, strict=True))
    return {
        "gained": sum(
            a.failure == ALTERNATIVE_UNIT and b.correct for a, b in pairs
        ),
        "lost": sum(
            b.failure == ALTERNATIVE_UNIT and a.correct for a, b in pairs
        ),
    }


def compare_families(first: Report, second: Report) -> dict[str, Record]:
    """Compare two reports for each family, with Holm over the families."""
    compared = {
        family: compare(of_family(first, family), of_family(second, family))
        for family in first.by_family
    }
    adjusted = holm([paired.p_value for paired in compared.values()])
    return {
        family: paired.to_json()
        | {"p_holm": p_holm, "verdict": paired.verdict(p_holm)}
        for (family, paired), p_holm in zip(
            compared.items(), adjusted, strict=True
        )
    }


def of_family(report: Report, family: str) -> Report:
    return Report([r for r in report.rows if r.family == family], 0.0)


def rolled(path: Path) -> Record:
    """Summarise one file of rollouts."""
    records = read_rollouts(path)
    sizes = range(1, len(records[0].rollouts) + 1)
    return {
        "n": len(records),
        "outcomes": dict(outcome_counts(records).most_common()),
        "success": {n: rate(success_rate(records, n)) for n in sizes},
        "families": {
            family: rate(share)
            for family, share in success_rate_by_family(records).items()
        },
    }


def rate(share: Proportion) -> Record:
    return {"n": share.n, "rate": share.value, "ci95": list(share.ci95)}


def epochs(folder: Path) -> list[dict[str, float]]:
    """Read what was measured after each epoch of a training.

    On the validation splits: the loss, the accuracy (`score`), and for each
    difficulty and product there are `accuracy_`, `tokens_` and `steps_`.
    """
    states = folder.glob("checkpoints/checkpoint-*/trainer_state.json")
    logs = [json.loads(path.read_text())["log_history"] for path in states]
    return [
        {
            key.removeprefix("eval_"): round(value, 4)
            for key, value in entry.items()
            if key in ("epoch", "eval_loss", "eval_score")
            or key.endswith(_KINDS)
        }
        for entry in max(logs, key=len)
        if "eval_score" in entry
    ]


def spread(seeds: Sequence[Record]) -> Record:
    """Compute mean and standard deviation over seeds for each split."""
    table: Record = {split: {} for split in SPLITS}
    for split, stages in table.items():
        for name in ("cot", *TRAINED):
            found = [seed["rates"][split][name] for seed in seeds]
            for key in (
                "accuracy",
                "answer_rate",
                "reasoning_validity",
                "steps",
                "tokens_per_answer",
            ):
                values = [record[key] for record in found]
                if None not in values:
                    stages.setdefault(name, {})[key] = {
                        "values": values,
                        "mean": statistics.mean(values),
                        "sd": statistics.stdev(values)
                        if len(values) > 1
                        else None,
                    }
    return table


def samples_record(seed: int = 0) -> Record:
    """Collect pass@k, majority votes and best-of-n of one seed."""
    curves = ("pass_at_k", "majority", "best_of_n")
    splits: Record = {split: {} for split in SPLITS}
    for split, stages in splits.items():
        for name in SAMPLED:
            path = folder_of(seed) / f"samples-{name}-{split}.json"
            report = json.loads(path.read_text())
            stages[name] = {"n": report["n"]} | {
                curve: report[curve] for curve in curves
            }
            decoding = report["run"]["decoding"]
    return {
        "seed": seed,
        "n": N_SAMPLED,
        "samples": N_SAMPLES,
        "temperature": decoding["temperature"],
        "splits": splits,
    }


def merged(earlier: Record, found: Record) -> Record:
    """Return `found`, with the entries of `earlier` that it lacks."""
    result = earlier | found
    for key in earlier.keys() & found.keys():
        before, now = earlier[key], found[key]
        if isinstance(before, dict) and isinstance(now, dict):
            result[key] = merged(before, now)
    return result


def update_record(path: Path, found: Record) -> None:
    """Write a record; what was not found stays as it was recorded.

    Steps take longer than a day's work, and machines come and go.
    """
    earlier = json.loads(path.read_text()) if path.exists() else {}
    write_json(merged(earlier, found), path)
