"""Adapters of SmolLM2 for the package, in 16 bits a number."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from experiments.adapter_card import adapter_card
from experiments.arms.stages import SPLITS
from experiments.arms.steps import Step
from experiments.smollm2.stages import MODEL, SHIPPED, WORK
from unitconv.common.io import write_text
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS, ADAPTERS


def copy_in_16_bits(source: Path, target: Path) -> None:
    """Copy an adapter; its numbers are rounded to float16."""
    target.mkdir(parents=True, exist_ok=True)
    for file in ("adapter_config.json", "run.json"):
        shutil.copy(source / file, target / file)
    weights = load_file(source / ADAPTER_WEIGHTS)
    rounded = {name: w.to(torch.float16) for name, w in weights.items()}
    save_file(rounded, target / ADAPTER_WEIGHTS, {"format": "pt"})


def evaluation_steps() -> Iterator[Step]:
    """Yield the evaluations of the rounded adapters, for their cards."""
    for name in SHIPPED:
        for split in SPLITS:
            yield Step(
                [
                    "evaluate",
                    MODEL,
                    f"--adapter={name}",
                    f"--split={split}",
                ],
                WORK / f"{name}-{split}.json",
            )


def write_cards() -> None:
    for name in SHIPPED:
        reports = {s: WORK / f"{name}-{s}.json" for s in SPLITS}
        card = adapter_card(name, ADAPTERS / name / "run.json", reports)
        write_text(card, ADAPTERS / name / "README.md")
