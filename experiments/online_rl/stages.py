"""Definitions of the runs of online RL, and of their commands."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.arms.stages import (
    N_SAMPLED,
    N_SAMPLES,
    RESULTS,
    ROOT,
    SPLITS,
)
from experiments.arms.steps import Step

WORK = ROOT / "_build" / "online_rl"
SEEDS = (0, 1, 2)
RATES = ("3e-4", "1e-3", "3e-3")
#: Learning rate of each loss that is run with all seeds, by the sweep of
#: `RATES` on the validation questions.
CHOSEN = {"dr_grpo": "1e-3", "raft": "1e-3"}
#: Runs with seed 0 that differ from `dr_grpo` in what is named here.
KNOBS = {
    "grpo": ["--loss=grpo"],
    "dapo": ["--loss=dapo"],
    "reinforce": ["--loss=reinforce"],
    "ten-times-the-rate": ["--learning-rate=1e-2"],
    "eight-updates": ["--updates=8"],
    "kl": ["--kl=0.05"],
    "answer": ["--reward=answer"],
    "chance": ["--reward=experiments.online_rl.rewards:chance"],
    # Without a worked example nothing is right.
    "bare": ["--prompt=raw", "--steps=10"],
    # With a small warm start, which needs none.
    "bare-warm": [f"--adapter={WORK / 'warm'}"],
    # From two rounds of RFT.
    "rft": ["--adapter=rft"],
}
#: Runs that are sampled for pass@k, with seed 0.
SAMPLED = ("dr_grpo", "raft", "chance")
#: RFT with the worked example in its rows, as online RL has it.
RFT_WITH_EXAMPLE = "rft-cot"


def run_name(loss: str, rate: str, seed: int) -> str:
    return f"{loss}-{rate}-{seed}"


def chosen_run(loss: str, seed: int = 0) -> str:
    """Return the folder of a loss with its chosen learning rate."""
    return run_name(loss, CHOSEN[loss], seed)


def sweep_steps() -> Iterator[Step]:
    for loss in CHOSEN:
        for rate in RATES:
            yield _run(loss, rate, 0)


def seed_steps() -> Iterator[Step]:
    for seed in SEEDS:
        for loss, rate in CHOSEN.items():
            yield _run(loss, rate, seed)


def knob_steps() -> Iterator[Step]:
    few = ["sft", "--reasoning", "--limit=200"]
    yield Step(few, WORK / "warm")
    data = f"--data={RESULTS / 'rft.json'}"
    yield Step(["rft", data, "--prompt=cot"], WORK / RFT_WITH_EXAMPLE)
    rate = f"--learning-rate={CHOSEN['dr_grpo']}"
    for name, options in KNOBS.items():
        given = [o.partition("=")[0] for o in options]
        default = [] if "--learning-rate" in given else [rate]
        yield Step(["rl", *default, *options], WORK / name)


def evaluation_steps() -> Iterator[Step]:
    """Yield greedy evaluations of every run, and samples of a few."""
    runs = [chosen_run(loss, seed) for seed in SEEDS for loss in CHOSEN]
    for name in [*runs, *KNOBS, "warm", RFT_WITH_EXAMPLE]:
        for split in SPLITS:
            yield _evaluation(name, split, f"{name}-{split}")
    # The bare question, after a training with the worked example.
    for split in SPLITS:
        name = chosen_run("dr_grpo")
        yield _evaluation(
            name, split, f"{name}-raw-{split}", "--prompt=raw"
        )
    often = [f"--samples={N_SAMPLES}", f"--limit={N_SAMPLED}"]
    for name in SAMPLED:
        run = chosen_run(name) if name in CHOSEN else name
        for split in SPLITS:
            yield _evaluation(run, split, f"samples-{name}-{split}", *often)


def _run(loss: str, rate: str, seed: int) -> Step:
    options = [f"--loss={loss}", f"--learning-rate={rate}"]
    name = run_name(loss, rate, seed)
    return Step(["rl", *options, f"--seed={seed}"], WORK / name)


def _evaluation(run: str, split: str, name: str, *options: str) -> Step:
    adapter = f"--adapter={WORK / run}"
    return Step(
        ["evaluate", adapter, f"--split={split}", *options],
        WORK / f"{name}.json",
    )
