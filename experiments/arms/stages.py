"""Definitions of the arms, and of the commands that make each one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from experiments.arms.steps import ROOT, Step
from unitconv.training.config import RFT_DEFAULTS

WORK = ROOT / "_build" / "stages"
RESULTS = ROOT / "unitconv" / "evaluation" / "results"
SPLITS = ("test", "test_hard")
# Prompts of the base model, which no seed changes.
PROMPTS = ("direct", "direct-precise", "cot", "cot-gallon", "cot-us")
# Adapter folders of the trained stages.
TRAINED = {
    "sft": "sft",
    # On as many rows of the same questions as RFT, with RFT's settings.
    "sft-matched": "sft-matched",
    # On reasoning written by code, with RFT's settings.
    "sft-reasoning": "sft-reasoning",
    "rft-1": "rft/round-1",
    "rft-2": "rft",
    "rft-right": "right",
    "random": "random",
}
# Policies of selection among the rollouts that `rft-1` was selected from.
# `audited` is not trained on: but for a few rows it selects the same.
CONTROLS = ("right", "random")
# Paired tests: a stage after the rival that it is compared with.
PAIRS = (
    *("direct direct-precise", "direct-precise sft"),
    *("cot cot-gallon", "cot cot-us", "cot sft", "cot rft-1", "cot rft-2"),
    *("cot-gallon rft-1", "cot-gallon rft-2"),
    *("sft rft-1", "sft sft-matched", "sft-matched rft-1"),
    *("cot sft-reasoning", "sft-matched sft-reasoning"),
    *("sft-reasoning rft-1", "sft-reasoning rft-2"),
    *("cot random", "random rft-1", "cot rft-right", "rft-right rft-1"),
    "rft-1 rft-2",
)
# Pairs that are also compared family by family.
BY_FAMILY = ("cot rft-1", "cot rft-2")
# Sampled for pass@k: the first questions of a split, which are shuffled.
SAMPLED = ("cot", "sft", "rft-1", "rft-2")
N_SAMPLED, N_SAMPLES = 100, 64

_RFT_SETTINGS = [
    f"--{name.replace('_', '-')}={value}"
    for name, value in asdict(RFT_DEFAULTS).items()
    if name not in ("dropout", "shuffle_batches")  # no options of sft
]


def folder_of(seed: int) -> Path:
    return WORK / f"seed-{seed}"


def prompt_steps() -> Iterator[Step]:
    for name in PROMPTS:
        for split in SPLITS:
            output = WORK / "prompts" / f"{name}-{split}.json"
            yield Step(
                ["evaluate", f"--prompt={name}", f"--split={split}"], output
            )


def first_steps(seed: int) -> Iterator[Step]:
    """Yield what needs nothing that was made before."""
    folder, seeded = folder_of(seed), f"--seed={seed}"
    yield Step(["rollouts", seeded], folder / "rft.json")
    yield Step(["sft", seeded], folder / "sft")
    yield Step(
        ["sft", "--reasoning", *_RFT_SETTINGS, seeded],
        folder / "sft-reasoning",
    )


def selection_steps(seed: int) -> Iterator[Step]:
    """Yield selections among the rollouts of the seed."""
    for policy in CONTROLS:
        yield Step(
            ["rollouts", f"--policy={policy}", f"--seed={seed}"],
            folder_of(seed) / f"{policy}.json",
            link=("rft.jsonl", f"{policy}.jsonl"),
        )


def training_steps(seed: int) -> Iterator[Step]:
    """Yield the trainings on what was selected, the longest first."""
    folder, seeded = folder_of(seed), f"--seed={seed}"
    strict = f"--data={folder / 'rft.json'}"
    yield Step(["rft", strict, "--rounds=2", seeded], folder / "rft")
    for policy in CONTROLS:
        data = f"--data={folder / f'{policy}.json'}"
        yield Step(["rft", data, seeded], folder / policy)
    data = f"--data={folder / 'matched.json'}"
    yield Step(
        ["sft", data, *_RFT_SETTINGS, seeded], folder / "sft-matched"
    )


def evaluation_steps(seed: int) -> Iterator[Step]:
    for name, adapter in TRAINED.items():
        for split in SPLITS:
            options = [
                f"--adapter={folder_of(seed) / adapter}",
                f"--split={split}",
            ]
            output = folder_of(seed) / f"{name}-{split}.json"
            yield Step(["evaluate", *options], output)


def sampling_steps(seed: int = 0) -> Iterator[Step]:
    """Yield the samples that pass@k is computed from."""
    for name in SAMPLED:
        adapter = TRAINED.get(name)
        chosen = (
            [f"--adapter={folder_of(seed) / adapter}"] if adapter else []
        )
        for split in SPLITS:
            options = [
                f"--samples={N_SAMPLES}",
                f"--limit={N_SAMPLED}",
                f"--split={split}",
            ]
            output = folder_of(seed) / f"samples-{name}-{split}.json"
            yield Step(["evaluate", *chosen, *options], output)
