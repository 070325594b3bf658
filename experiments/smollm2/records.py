"""Records of SmolLM2's arms: rates, paired tests, rollouts, times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.arms.records import (
    Record,
    epochs,
    read_report,
    rolled,
    stage_record,
)
from experiments.arms.stages import SPLITS
from experiments.online_rl.records import run_record
from experiments.smollm2.stages import (
    DEFAULT,
    EXAMPLES,
    FORMATS,
    ONLINE,
    PAIRS,
    PROMPTS,
    SAMPLED,
    SETTINGS,
    SHIPPED,
    TRAINED,
    WEIGHTS,
    WORK,
)
from unitconv.evaluation.report import Report, compare
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS
from unitconv.inference.reference import Decoding
from unitconv.task.prompts import SEVERAL_EXAMPLES

QUESTION = "How many gram are there per 6 kg?"
N_SHOWN = 80  # tokens of a reply, which may have no end


def curve_record() -> Record:
    """Collect the curve: base -> number of examples -> rates on `valid`.

    Each is compared with the default number on the same questions.
    """
    defaults = {"smollm2": int(SEVERAL_EXAMPLES[-1]), "course": 1}
    curves: Record = {}
    for base, numbers in EXAMPLES.items():
        reports = {
            number: read_report(path)
            for number in numbers
            if (path := WORK / "curve" / f"{base}-{number}.json").exists()
        }
        if defaults[base] not in reports:
            continue
        default = reports[defaults[base]]
        curves[base] = {
            str(number): stage_record(report)
            | {"against_default": compare(report, default).to_json()}
            for number, report in reports.items()
        }
    return curves


def settings_record() -> Record:
    """Collect the sweep: what was changed, and the rates after an epoch."""
    folder = WORK / "settings"
    return {
        name: {
            "settings": DEFAULT | changes,
            "epoch": epochs(folder / name)[0],
            "took": json.loads((folder / f"{name}.took").read_text()),
        }
        for name, changes in SETTINGS.items()
        if (folder / f"{name}.took").exists()
    }


def sorted_record() -> Record:
    """Collect an earlier sweep, with batches sorted by length.

    The commands can no longer sort them for SmolLM2.
    """
    folder = WORK / "settings-sorted"
    return {
        name: epochs(folder / name)[0]
        for name in SETTINGS
        if (folder / name / ADAPTER_WEIGHTS).exists()
    }


def stages_record() -> Record:
    """Collect rates and paired tests of all stages on both test sets."""
    reports = {
        split: {
            name: read_report(path)
            for name in (*PROMPTS, *TRAINED)
            if (path := _report_of(name, split)).exists()
        }
        for split in SPLITS
    }
    return {
        "rates": {
            split: {
                name: _without_paths(stage_record(report))
                for name, report in found.items()
            }
            for split, found in reports.items()
        },
        "compared": {
            split: _compare_pairs(found) for split, found in reports.items()
        },
        "epochs": {
            name: epochs(WORK / name)
            for name in TRAINED
            if (WORK / name / ADAPTER_WEIGHTS).exists()
        },
    }


def _report_of(stage: str, split: str) -> Path:
    """Return the report of a stage, or that of the shipped adapter."""
    shipped = {stage: name for name, stage in SHIPPED.items()}
    return WORK / f"{shipped.get(stage, stage)}-{split}.json"


def _without_paths(record: Record) -> Record:
    """Cut this machine's folders off the paths in a record."""
    text, work = json.dumps(record), WORK.resolve()
    for folder in (work, work.parents[1]):
        text = text.replace(f"{folder}/", "")
    found: Record = json.loads(text)
    return found


def _compare_pairs(found: dict[str, Report]) -> Record:
    pairs = {pair: pair.split() for pair in PAIRS}
    return {
        pair: compare(*(found[name] for name in names)).to_json()
        for pair, names in pairs.items()
        if {*names} <= {*found}
    }


def rollouts_record() -> Record:
    """Collect what was sampled, and what of it was kept."""
    return {
        name: rolled(path)
        for name, path in SAMPLED.items()
        if path.exists()
    }


def online_record() -> Record:
    """Summarize the steps of online RL: run -> settings and steps."""
    return {
        name: _without_paths(run_record(WORK / name))
        for name in ONLINE
        if (WORK / name / ADAPTER_WEIGHTS).exists()
    }


def replies_record() -> Record:
    """Show one question in the model's tokens, and its greedy replies."""
    base = LLM.from_pretrained(WEIGHTS, prompt="raw", device="cpu")
    ids = base.encode(f"{QUESTION} <answer>6000</answer>")
    limit = Decoding(max_new_tokens=N_SHOWN)
    replies = {}
    for style in PROMPTS:
        llm = LLM(base.model, base.tokenizer, style, base.name)
        prompt = llm.format_prompt(QUESTION)
        replies[style] = llm.generate(prompt, limit)
    return {
        "question": QUESTION,
        "tokens": [base.tokenizer.decode([i]) for i in ids],
        "max_new_tokens": N_SHOWN,
        "replies": replies,
    }


def formats_record() -> Record:
    """Collect rates and speed in each number format, against float32."""
    reports = {
        name: read_report(path)
        for name in FORMATS
        if (path := WORK / "formats" / f"{name}.json").exists()
    }
    return {
        name: _without_paths(stage_record(report))
        | {
            "same_texts": sum(
                a.text == b.text
                for a, b in zip(
                    report.rows, reports["float32"].rows, strict=True
                )
            ),
            "against_float32": compare(
                report, reports["float32"]
            ).to_json(),
        }
        for name, report in reports.items()
    }


def times() -> dict[str, Any]:
    """Collect command, seconds and threads of the stages' steps."""
    return {
        path.stem: _without_paths(json.loads(path.read_text()))
        for path in sorted(WORK.glob("*.took"))
    }
