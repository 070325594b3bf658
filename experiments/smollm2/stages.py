"""Definitions of SmolLM2's arms, and of the commands that make each one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.arms.stages import RESULTS, SPLITS
from experiments.arms.steps import ROOT, Step

WORK = ROOT / "_build" / "smollm2"
#: By its exact name, so that every run has the same weights.
WEIGHTS = "smollm2-q4_1"
MODEL = f"--model={WEIGHTS}"
#: Worked examples that are tried in the prompt. More than five leave a
#: reply of the course model too little of its context of 512 tokens.
EXAMPLES = {"smollm2": range(1, 9), "course": range(1, 6)}
PROMPTS = ("raw", "chat", "direct", "cot", "cot-4")
#: What the changes below are compared with.
DEFAULT = {
    "learning-rate": "1e-3",
    "batch-size": "16",
    "rank": "16",
    "prompt": "raw",
}
#: Changes of one setting, and a combination of three, on the first rows
#: of the reasoning by code.
SETTINGS = {
    "default": {},
    "lr-3e-3": {"learning-rate": "3e-3"},
    "batch-8": {"batch-size": "8"},
    "chat": {"prompt": "chat"},
    "lr-6e-3": {"learning-rate": "6e-3"},
    "combined": {"learning-rate": "2e-3", "batch-size": "8", "rank": "8"},
}
ROWS_OF_SETTINGS = 400
#: Adapter folders of the trained stages.
TRAINED = (
    # On answers, and on reasoning written by code.
    *("sft", "sft-reasoning"),
    # On the course model's audited rollouts: a specialist's reasoning.
    "distilled",
    # On the base's own right rollouts, few as they are.
    "rft-base",
    # Expert iteration: a warm start on a few rows of reasoning written by
    # code, then two rounds of RFT, each on the last one's rollouts.
    *("warm", "expert-1", "expert-2"),
    # The control of the first round: on rollouts selected at random.
    "random",
)
#: Online RL from the shipped adapter, with two learning rates.
ONLINE = {
    "rl": ["--steps=20", "--questions=8", "--learning-rate=3e-4"],
    "rl-slow": ["--steps=12", "--questions=16", "--learning-rate=1e-4"],
}
#: Name in the package -> trained stage.
SHIPPED = {"smollm2-sft": "sft-reasoning"}
#: Rollouts of each model that was sampled.
SAMPLED = {
    "base": WORK / "base.jsonl",
    "base, 50 samples": WORK / "base-50.jsonl",
    "warm": WORK / "from-warm.jsonl",
    "expert-1": WORK / "from-expert-1.jsonl",
    "sft-reasoning": WORK / "from-sft-reasoning.jsonl",
}
#: Paired tests: a stage after the rival that it is compared with.
PAIRS = (
    *("cot-4 sft", "cot-4 rft-base", "cot-4 sft-reasoning"),
    *("cot-4 distilled", "sft sft-reasoning"),
    *("sft distilled", "sft-reasoning distilled"),
    *("warm expert-1", "expert-1 expert-2", "random expert-1"),
    "warm random",
)
#: Number formats, compared on the first test questions.
FORMATS = ("float32", "bfloat16", "float16")
N_IN_FORMATS = 200
N_SAMPLED, N_OFTEN = 300, 30  # questions: sampled 10 and 50 times
N_SAMPLES = 4  # of a question, in a round of expert iteration
#: The base in bf16, for most trainings and all sampling: on a CPU with
#: bf16 products, such as ours, 1.6 times as fast. The shipped adapters and
#: the prompt of four examples are evaluated in float32.
TRAIN_SPLIT = "--split=train"
TRAIN_BF16, SAMPLE_BF16 = "--preset=ampere", "--dtype=bfloat16"


def style_of(examples: int) -> str:
    return "cot" if examples == 1 else f"cot-{examples}"


def curve_steps() -> Iterator[Step]:
    """Yield the prompts of 1 to 8 examples on `valid`, for both bases."""
    for name, model in (("smollm2", MODEL), ("course", "--model=course")):
        for number in EXAMPLES[name]:
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
    """Yield short trainings with changed settings."""
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


def prompt_steps() -> Iterator[Step]:
    """Yield all prompts on `test`, and the best one on `test_hard` too."""
    *others, best = PROMPTS
    yield from _measured(best, [f"--prompt={best}"])
    for name in others:
        options = [f"--prompt={name}", SAMPLE_BF16]
        yield from _measured(name, options, SPLITS[:1])


def sampling_steps() -> Iterator[Step]:
    """Yield what the base samples itself, and RFT on what was kept."""
    sampled = ["rollouts", MODEL, SAMPLE_BF16, TRAIN_SPLIT]
    output = WORK / "base.json"
    yield Step([*sampled, f"--limit={N_SAMPLED}"], output)
    often = [f"--limit={N_OFTEN}", "--samples=50"]
    yield Step([*sampled, *often], WORK / "base-50.json")
    yield _rft(output, "rft-base")


def training_steps() -> Iterator[Step]:
    yield Step(_trained("sft", "--reasoning"), WORK / "sft-reasoning")
    yield Step(_trained("sft", TRAIN_BF16), WORK / "sft")
    data = f"--data={RESULTS / 'rft.json'}"
    yield Step(_trained("rft", data), WORK / "distilled")


def expert_steps() -> Iterator[Step]:
    """Yield a warm start, two rounds from it, and the first's control."""
    few = f"--limit={ROWS_OF_SETTINGS}"
    warm = ["--reasoning", few, TRAIN_BF16]
    yield Step(_trained("sft", *warm), WORK / "warm")
    yield from _round("warm", "expert-1")
    data = WORK / "random.json"
    yield Step(
        _sampled_from("warm", TRAIN_SPLIT, "--policy=random"),
        data,
        link=("from-warm.jsonl", "random.jsonl"),
    )
    yield _rft(data, "random")
    yield from _round("expert-1", "expert-2")


def best_steps() -> Iterator[Step]:
    """Yield samples of the best stage, on harder questions too."""
    half = f"--data={WORK / 'half.json'}"
    yield Step(
        _sampled_from("sft-reasoning", half),
        WORK / "from-sft-reasoning.json",
    )


def online_steps() -> Iterator[Step]:
    """Yield short runs of online RL, from the shipped adapter."""
    for name, options in ONLINE.items():
        start = ["--adapter=smollm2-sft", "--samples=8", TRAIN_BF16]
        yield Step(_trained("rl", *start, *options), WORK / name)


def _round(sampler: str, trained: str) -> Iterator[Step]:
    data = WORK / f"from-{sampler}.json"
    yield Step(_sampled_from(sampler, TRAIN_SPLIT), data)
    yield _rft(data, trained)


def _rft(data: Path, trained: str) -> Step:
    options = [f"--data={data}", TRAIN_BF16]
    return Step(_trained("rft", *options), WORK / trained)


def _sampled_from(name: str, *options: str) -> list[str]:
    adapter = f"--adapter={WORK / name}"
    chosen = [*options, f"--samples={N_SAMPLES}"]
    return ["rollouts", MODEL, adapter, SAMPLE_BF16, *chosen]


def evaluation_steps() -> Iterator[Step]:
    """Yield the evaluations of the adapters that are not shipped."""
    for name in TRAINED:
        if name not in SHIPPED.values():
            options = [f"--adapter={WORK / name}", SAMPLE_BF16]
            yield from _measured(name, options)


def format_steps() -> Iterator[Step]:
    """Yield the same evaluation in three number formats."""
    for name in FORMATS:
        yield Step(
            [
                "evaluate",
                MODEL,
                "--adapter=smollm2-sft",
                f"--limit={N_IN_FORMATS}",
                f"--dtype={name}",
            ],
            WORK / "formats" / f"{name}.json",
        )


def _trained(method: str, *options: str) -> list[str]:
    return [method, MODEL, f"--valid={WORK / 'valid.json'}", *options]


def _measured(
    name: str, options: list[str], splits: Sequence[str] = SPLITS
) -> Iterator[Step]:
    for split in splits:
        yield Step(
            ["evaluate", MODEL, *options, f"--split={split}"],
            WORK / f"{name}-{split}.json",
        )
