"""What was tried before the course model was trained, and how it learned.

    # every run that is not yet there
    python -m experiments.pretraining_sweep runs
    # every other one of them
    python -m experiments.pretraining_sweep runs --shard 0/2
    # the final run, over its tokens
    python -m experiments.pretraining_sweep curve
    python -m experiments.pretraining_sweep collect  # what the book reads

Each run trains in `_build/sweep/NAME`, resumes where it was killed, and is
measured on generated development questions: no question set is touched.
`collect` writes `sweep.json` beside the course model, and `curve` its
`curve.json`. The book's appendix draws its table and figures from them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from unitconv.common.io import write_json
from unitconv.evaluation.stats import Proportion
from unitconv.pretraining.config import PRESETS, PretrainConfig

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "_build" / "sweep"
RESULTS = ROOT / "unitconv" / "inference" / "course_model"
QUESTIONS = 400  # of development; a quarter as many are sampled from
PROXY_STEPS = 700  # 3.1 M tokens: enough to rank settings
SEEDS = (0, 1, 2)
# Settings on the way to the final one: name; steps, shares of direct
# answers, of rough ones and of rivals; how many seeds.
EARLIER = (
    ("earlier", (2600, 0.52, 0.52, 0.655), 3),
    ("fewer-rivals", (2600, 0.52, 0.52, 0.64), 2),
    ("more-rivals", (2600, 0.52, 0.52, 0.67), 1),
    ("fewer-steps", (2400, 0.52, 0.52, 0.66), 1),
    ("fewer-direct", (2200, 0.4, 0.4, 0.75), 2),
)
# Nearly even on a logarithmic axis, until the learning rate falls.
CURVE_STEPS = (100, 200, 300, 400, 600, 800, 1100, 1400, 1700, 2000)

app = typer.Typer(help=__doc__, no_args_is_help=True)


def runs() -> Iterator[tuple[str, PretrainConfig]]:
    """The final setting with three seeds; those before it; the first of
    these with fewer tokens; and, so short, one thing changed at a time."""
    final = PRESETS["course"]
    for seed in SEEDS:
        yield f"final-seed-{seed}", replace(final, seed=seed)
    for name, setting, seeds in EARLIER:
        for seed in SEEDS[:seeds]:
            run = replace(earlier(final, *setting), seed=seed)
            yield f"{name}-seed-{seed}", run
    proxy = replace(earlier(final, *EARLIER[0][1]), steps=PROXY_STEPS)
    yield "proxy", proxy
    for name, value in (
        ("rival_share", 0.0),
        ("chat_direct_share", 0.15),
        ("told_habit_share", 0.25),
        ("rough_share", 0.0),
    ):
        change: dict[str, Any] = {name: value}
        corpus = replace(proxy.corpus, **change)
        yield f"{name}-{value:g}", replace(proxy, corpus=corpus)
    # What these lose, the chats gain.
    for name, share in (("arithmetic_share", 0.2), ("table_share", 0.0)):
        freed = getattr(proxy.corpus, name) - share
        chats = round(proxy.corpus.chat_share + freed, 2)
        change = {name: share, "chat_share": chats}
        corpus = replace(proxy.corpus, **change)
        yield f"{name}-{share:g}", replace(proxy, corpus=corpus)
    yield "steps-350", replace(proxy, steps=PROXY_STEPS // 2)


def earlier(
    final: PretrainConfig,
    steps: int,
    direct: float,
    rough: float,
    rival: float,
) -> PretrainConfig:
    """Without what was added last: more elevens, and round factors."""
    corpus = replace(
        final.corpus,
        chat_direct_share=direct,
        plain_direct_share=direct,
        rough_share=rough,
        rival_share=rival,
        eleven_weight=1,
        round_weight=0,
    )
    return replace(final, steps=steps, corpus=corpus)


@app.command("runs")
def run_all(
    shard: Annotated[
        str, typer.Option(help="I/N: only every N-th run, from the I-th.")
    ] = "0/1",
    only: Annotated[
        str, typer.Option(help="Only runs whose name starts so.")
    ] = "",
) -> None:
    """Train and measure every run that has no result yet."""
    first, of = (int(part) for part in shard.split("/"))
    chosen = [run for run in runs() if run[0].startswith(only)]
    for name, config in chosen[first::of]:
        folder = WORK / name
        if not (folder / "measured.json").exists():
            typer.echo(f"{name}: {config.steps} steps")
            if not (folder / "training.json").exists():
                train_one(config, folder)
            check(config, folder)
            write_json(measure_one(folder), folder / "measured.json")


@app.command()
def collect() -> None:
    """One file of all runs: settings, time, and rates on development."""
    found = {}
    for name, config in runs():
        if (WORK / name / "measured.json").exists():
            check(config, WORK / name)
            found[name] = summary(WORK / name)
    write_json(found, RESULTS / "sweep.json")
    typer.echo(f"{len(found)} runs in {RESULTS / 'sweep.json'}")


def check(config: PretrainConfig, folder: Path) -> None:
    """A run of an earlier preset must not pass for one of this."""
    record = json.loads((folder / "training.json").read_text())
    if record["config"] != asdict(config):
        raise typer.BadParameter(
            f"{folder} holds a run with other settings: remove it"
        )


def train_one(config: PretrainConfig, folder: Path) -> None:
    from unitconv.pretraining.checkpoint import Progress
    from unitconv.pretraining.model_card import export_model
    from unitconv.pretraining.train import (
        make_model,
        make_tokenizer,
        train,
    )

    tokenizer = make_tokenizer(config)
    model = make_model(config, tokenizer)
    checkpoints = folder / "checkpoints"

    def watch(progress: Progress) -> None:
        if progress.step % 100 == 0:
            loss, minutes = progress.losses[-1], progress.seconds / 60
            typer.echo(
                f"{folder.name}: step {progress.step}/{config.steps}, "
                f"loss {loss:.3f}, {minutes:.1f} minutes"
            )

    progress = train(
        config,
        model,
        tokenizer,
        checkpoints,
        resume=any(checkpoints.glob("step-*")),
        keep_all=True,
        watch=watch,
    )
    export_model(folder, model, tokenizer, config, progress)


def measure_one(folder: Path) -> dict[str, Any]:
    from unitconv.evaluation.prompt_probe import (
        ProbeSettings,
        probe_prompts,
    )
    from unitconv.inference.llm import LLM
    from unitconv.pretraining.dev_set import dev_questions
    from unitconv.task.dataset import Question

    questions = [Question(*pair) for pair in dev_questions(QUESTIONS)]
    llm = LLM.from_pretrained(str(folder), prompt="cot", device="cpu")
    some = QUESTIONS // 4
    settings = ProbeSettings(n_sampled=some, n_wrapped=some)
    return probe_prompts(llm, questions, settings)


KEPT = (
    *("n", "imitated", "accuracy", "answer_rate", "reasoning_validity"),
    *("fact_validity", "arithmetic_validity"),
    *("at_least_one_right", "at_least_one_right_and_audited"),
)


def summary(folder: Path) -> dict[str, Any]:
    """One run without the details of its reports."""
    record = json.loads((folder / "training.json").read_text())
    found = json.loads((folder / "measured.json").read_text())
    rates = {
        prompt: {
            key: value
            for key, value in report.items()
            if key.removesuffix("_ci95") in KEPT
        }
        for prompt, report in found.items()
    }
    taken = ("tokens", "seconds", "machine", "torch", "config")
    return {key: record[key] for key in taken} | {"rates": rates}


@app.command()
def curve(
    run: Annotated[
        str, typer.Argument(help="Whose checkpoints.")
    ] = "final-seed-0",
) -> None:
    """Measure the checkpoints of a run: what is learned, and when."""
    import torch

    from unitconv.inference.llm import LLM
    from unitconv.inference.load import load_model
    from unitconv.pretraining.checkpoint import load_weights

    folder = WORK / run
    config = json.loads((folder / "training.json").read_text())["config"]
    a_step = config["batch_size"] * config["row_length"]
    device = torch.device("cpu")
    model, tokenizer = load_model(str(folder), device, torch.float32)
    points = []
    for step in (*CURVE_STEPS, config["steps"]):
        name = f"step-{step:06d}"
        load_weights(folder / "checkpoints" / name, model)
        rates = probe(LLM(model, tokenizer, "cot"))
        points.append({"step": step, "tokens": step * a_step} | rates)
        typer.echo(points[-1])
    write_json({"run": run, "points": points}, RESULTS / "curve.json")


def probe(llm: Any) -> dict[str, Any]:
    """Facts, products, imitation and whole answers, each by itself."""
    from unitconv.evaluation.evaluate import evaluate
    from unitconv.evaluation.prompt_probe import WRAPPERS, imitation_rate
    from unitconv.pretraining.dev_set import (
        dev_questions,
        fact_probes,
        product_probes,
    )
    from unitconv.task.dataset import Question

    questions = [Question(*pair) for pair in dev_questions(200)]
    found = {
        "facts": completed(llm, fact_probes(200)),
        "products": completed(llm, product_probes(200)),
        "imitation": pooled(
            imitation_rate(llm, questions[:50], wrapper)
            for wrapper in WRAPPERS
        ),
        "answers": evaluate(llm, questions).accuracy,
    }
    return {
        name: {"n": rate.n, "rate": rate.value, "ci95": list(rate.ci95)}
        for name, rate in found.items()
    }


def pooled(rates: Iterable[Proportion]) -> Proportion:
    every = list(rates)
    return Proportion(
        sum(r.successes for r in every), sum(r.n for r in every)
    )


def completed(
    llm: Any, probes: list[tuple[str, list[float]]]
) -> Proportion:
    """How many texts go on with a number that is true within 1 %."""
    from unitconv.grading.audit import AUDIT_TOLERANCE
    from unitconv.inference.reference import Decoding

    settings = Decoding(max_new_tokens=16)
    replies = llm.complete([text for text, _ in probes], settings=settings)
    right = 0
    for (_, truths), [reply] in zip(probes, replies, strict=True):
        number = re.match(r"\s*(\d+(?:\.\d+)?)", reply.text)
        right += number is not None and any(
            math.isclose(float(number[1]), truth, rel_tol=AUDIT_TOLERANCE)
            for truth in truths
        )
    return Proportion(right, len(probes))


if __name__ == "__main__":
    app()
