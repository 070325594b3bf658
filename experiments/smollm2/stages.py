"""Definitions of SmolLM2's arms, and of the commands that make each one."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.arms.stages import ROOT
from experiments.arms.steps import Step

WORK = ROOT / "_build" / "smollm2"
#: By its exact name, so that every run has the same weights.
MODEL = "--model=smollm2-q4_1"
#: Worked examples that are tried in the prompt.
EXAMPLES = range(1, 9)
PROMPTS = ("raw", "chat", "direct", "cot", "cot-7")
#: What the changes below are compared with.
DEFAULT = {
    "learning-rate": "1e-3",
    "batch-size": "16",
    "rank": "16",
    "prompt": "raw",
}
#: Changes of one setting, on the first rows of the reasoning by code.
SETTINGS = {
    "default": {},
    "lr-3e-3": {"learning-rate": "3e-3"},
    "batch-8": {"batch-size": "8"},
    "chat": {"prompt": "chat"},
    "lr-3e-4": {"learning-rate": "3e-4"},
    "rank-4": {"rank": "4"},
}
ROWS_OF_SETTINGS = 400
#: Adapter folder of each trained stage.
TRAINED = {
    "sft": "sft",
    "sft-reasoning": "sft-reasoning",
    "distilled": "distilled",
    "rft-base": "rft-base",
    "expert-1": "expert-1",
    "random": "random",
}
#: Paired tests: a stage after the rival that it is compared with.
PAIRS = (
    "raw cot-7",
    "direct cot-7",
    "cot-7 sft",
    "cot-7 rft-base",
    "sft sft-reasoning",
    "sft-reasoning distilled",
    "distilled expert-1",
    "random expert-1",
)


def style_of(examples: int) -> str:
    return "cot" if examples == 1 else f"cot-{examples}"


def curve_steps() -> Iterator[Step]:
    """Yield the prompts of 1 to 8 examples on `valid`, for both bases."""
    for name, model in (("smollm2", MODEL), ("course", "--model=course")):
        for number in EXAMPLES:
            yield Step(
                [
                    "evaluate",
                    model,
                    f"--prompt={style_of(number)}",
                    "--split=valid",
                ],
                WORK / "curve" / f"{name}-{number}.json",
            )


def settings_steps() -> Iterator[Step]:
    """Yield short trainings that differ in one setting."""
    for name, changes in SETTINGS.items():
        options = [f"--{k}={v}" for k, v in (DEFAULT | changes).items()]
        yield Step(
            [
                "sft",
                "--reasoning",
                MODEL,
                f"--limit={ROWS_OF_SETTINGS}",
                f"--valid={WORK / 'valid.json'}",
                "--epochs=1",
                *options,
            ],
            WORK / "settings" / name,
        )
