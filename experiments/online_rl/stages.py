"""Definitions of the runs of online RL, and of their commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from experiments.arms.stages import (
    N_SAMPLED,
    N_SAMPLES,
    RESULTS,
    SPLITS,
)
from experiments.arms.steps import ROOT, Step

WORK = ROOT / "_build" / "online_rl"
SEEDS = (0, 1, 2)
RATES = ("1e-3", "3e-3", "1e-2")
#: Steps of a run, and of a short one.
WHOLE, SHORT = 40, 20
#: Learning rate of each loss that is run with all seeds: by short runs with
#: all `RATES`, on the validation questions.
CHOSEN = {"dr_grpo": "1e-3", "raft": "1e-3"}
#: Short runs with seed 0 that differ in one knob from `dr_grpo`.
KNOBS = {
    "four-updates": ["--updates=4"],
    "grpo": ["--loss=grpo"],
    "dapo": ["--loss=dapo"],
    "reinforce": ["--loss=reinforce"],
    "kl": ["--kl=0.05"],
    "chance": ["--reward=experiments.online_rl.rewards:chance"],
    # Without a worked example nothing is right.
    "bare": ["--prompt=raw"],
}
#: Steps of the one run that is twice as long.
LONG = 80
#: Whole runs with seed 0 that differ from `dr_grpo`.
VARIANTS = {
    "answer": ["--reward=answer"],
    # With a small warm start, which needs no worked example.
    "bare-warm": [f"--adapter={WORK / 'warm'}"],
    # From two rounds of RFT, and from one with the worked example.
    "rft": ["--adapter=rft"],
    "after-rft-cot": [f"--adapter={WORK / 'rft-cot'}"],
}
#: Runs that are sampled for pass@k, with seed 0.
SAMPLED = ("dr_grpo", "raft")
#: RFT with the worked example in its rows, as online RL has it.
RFT_WITH_EXAMPLE = "rft-cot"
#: One round of RFT on about as many samples as a whole run has: three of
#: each of 2000 questions, 6000 in all.
RFT_WITH_FEW, FEW = "rft-few", 3
#: The same with the worked example in its rows.
RFT_WITH_FEW_AND_EXAMPLE = "rft-few-cot"


def run_name(loss: str, rate: str, seed: int) -> str:
    return f"{loss}-{rate}-{seed}"


def short_name(loss: str, rate: str) -> str:
    """Return the folder of a short run of the sweep."""
    return f"short-{loss}-{rate}"


def chosen_run(loss: str, seed: int = 0) -> str:
    """Return the folder of a loss with its chosen learning rate."""
    return run_name(loss, CHOSEN[loss], seed)


def sweep_steps() -> Iterator[Step]:
    for loss in CHOSEN:
        for rate in RATES:
            options = [f"--loss={loss}", f"--learning-rate={rate}"]
            yield _run(short_name(loss, rate), *options, steps=SHORT)


def seed_steps() -> Iterator[Step]:
    for seed in SEEDS:
        for loss, rate in CHOSEN.items():
            options = [f"--loss={loss}", f"--learning-rate={rate}"]
            yield _run(
                run_name(loss, rate, seed), *options, f"--seed={seed}"
            )


def knob_steps() -> Iterator[Step]:
    """Yield short runs with one knob changed."""
    for name, options in KNOBS.items():
        yield _run(name, *options, steps=SHORT)


def variant_steps() -> Iterator[Step]:
    """Yield whole runs that differ, and what two of them begin with."""
    few = ["sft", "--reasoning", "--limit=200"]
    yield Step(few, WORK / "warm")
    data = f"--data={RESULTS / 'rft.json'}"
    yield Step(["rft", data, "--prompt=cot"], WORK / RFT_WITH_EXAMPLE)
    few_samples = WORK / "few.json"
    yield Step(["rollouts", f"--samples={FEW}"], few_samples)
    on_few = ["rft", f"--data={few_samples}"]
    yield Step(on_few, WORK / RFT_WITH_FEW)
    yield Step([*on_few, "--prompt=cot"], WORK / RFT_WITH_FEW_AND_EXAMPLE)
    for name, options in VARIANTS.items():
        yield _run(name, *options)
    yield _run("long", steps=LONG)


def evaluation_steps() -> Iterator[Step]:
    """Yield greedy evaluations of whole runs, and samples of a few."""
    runs = [chosen_run(loss, seed) for seed in SEEDS for loss in CHOSEN]
    others = ["long", "warm", RFT_WITH_EXAMPLE]
    few = [RFT_WITH_FEW, RFT_WITH_FEW_AND_EXAMPLE]
    for name in [*runs, *VARIANTS, *others, *few]:
        for split in SPLITS:
            yield _evaluation(WORK / name, split, f"{name}-{split}")
    # What the runs are compared with: the base with its worked example,
    # and two rounds of RFT.
    for split in SPLITS:
        yield Step(
            ["evaluate", f"--split={split}"], WORK / f"cot-{split}.json"
        )
        yield _evaluation("rft", split, f"rft-2-{split}")
    # The bare question, after a training with the worked example.
    for split in SPLITS:
        name = chosen_run("dr_grpo")
        raw = f"{name}-raw-{split}"
        yield _evaluation(WORK / name, split, raw, "--prompt=raw")
    often = [f"--samples={N_SAMPLES}", f"--limit={N_SAMPLED}"]
    for loss in SAMPLED:
        run = WORK / chosen_run(loss)
        for split in SPLITS:
            yield _evaluation(run, split, f"samples-{loss}-{split}", *often)


def _run(name: str, *options: str, steps: int = WHOLE) -> Step:
    return Step(["rl", f"--steps={steps}", *options], WORK / name)


def _evaluation(
    adapter: Path | str, split: str, name: str, *options: str
) -> Step:
    return Step(
        ["evaluate", f"--adapter={adapter}", f"--split={split}", *options],
        WORK / f"{name}.json",
    )
