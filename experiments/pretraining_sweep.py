"""Pretraining with three seeds, short runs, and the learning curve.

    # train and measure all runs without a result, or every second one
    python -m experiments.pretraining_sweep runs
    python -m experiments.pretraining_sweep runs --shard 0/2
    # measure the checkpoints of the final run
    python -m experiments.pretraining_sweep curve
    # write the record that the book reads
    python -m experiments.pretraining_sweep collect

Each run trains in `_build/sweep/NAME`, resumes where it was interrupted,
and is measured on generated development questions; no question set is
used. `collect` writes `sweep.json` beside the course model, and `curve`
writes `curve.json`, which the book's appendix shows.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitconv.common.io import write_json
from unitconv.evaluation.stats import Proportion
from unitconv.pretraining.config import PRESETS, PretrainConfig

if TYPE_CHECKING:
    from unitconv.inference.llm import LLM
    from unitconv.pretraining.dev_set import Probe
    from unitconv.task.dataset import Question

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "_build" / "sweep"
RESULTS = ROOT / "unitconv" / "inference" / "course_model"
QUESTIONS = 400  # development questions; a quarter of them are sampled
PROXY_STEPS = 700  # 3.1 M tokens: a sixth of the final run
SEEDS = (0, 1, 2)


# Changes of one thing, each made to a short run of the final setting.
CHANGES: dict[str, dict[str, float]] = {
    # Only products at once; the base never sees partial products.
    "no-partial-products": {"steps_share": 0.0, "steps_weight": 0},
}
# About evenly spaced on a logarithmic axis, until the decay begins.
CURVE_STEPS = (100, 200, 400, 600, 900, 1300, 1800, 2500, 3200, 3700)

app = typer.Typer(help=__doc__, no_args_is_help=True)


def runs() -> Iterator[tuple[str, PretrainConfig]]:
    """Yield names and settings of all runs.

    The final setting with its seeds; then a short proxy of it, and the
    proxy with one change.
    """
    final = PRESETS["course"]
    for seed in SEEDS:
        yield f"final-seed-{seed}", replace(final, seed=seed)
    proxy = replace(final, steps=PROXY_STEPS)
    yield "proxy", proxy
    for name, change in CHANGES.items():
        changed: dict[str, Any] = change
        yield name, replace(proxy, corpus=replace(proxy.corpus, **changed))


@app.command("runs")
def run_all(
    shard: Annotated[
        str, typer.Option(help="I/N: only every N-th run, from the I-th.")
    ] = "0/1",
    only: Annotated[
        str, typer.Option(help="Only runs with this prefix.")
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
    """Write settings, time and development rates of all runs."""
    summaries = {}
    for name, config in runs():
        if (WORK / name / "measured.json").exists():
            check(config, WORK / name)
            summaries[name] = summary(WORK / name)
    write_json(summaries, RESULTS / "sweep.json")
    typer.echo(f"{len(summaries)} runs in {RESULTS / 'sweep.json'}")


def check(config: PretrainConfig, folder: Path) -> None:
    """Refuse a folder whose run had other settings."""
    record = json.loads((folder / "training.json").read_text())
    free = {"keep_checkpoints": config.keep_checkpoints}
    if record["config"] | free != asdict(config):
        error = f"{folder} holds a run with other settings: remove it"
        raise typer.BadParameter(error)


def train_one(config: PretrainConfig, folder: Path) -> None:
    """Train or resume one run, keeping all of its checkpoints."""
    config = replace(config, keep_checkpoints=True)
    from unitconv.pretraining.checkpoint import TrainingProgress
    from unitconv.pretraining.model_card import export_model
    from unitconv.pretraining.train import make_model, make_tokenizer, train

    tokenizer = make_tokenizer(config)
    model = make_model(config, tokenizer)
    checkpoints = folder / "checkpoints"

    def report(progress: TrainingProgress) -> None:
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
        on_step=report,
    )
    export_model(folder, model, tokenizer, config, progress)


def measure_one(folder: Path) -> dict[str, Any]:
    """Measure a trained model under all prompts, and on hard questions."""
    from unitconv.evaluation import prompt_probe
    from unitconv.evaluation.breakdown import summarize
    from unitconv.evaluation.evaluate import evaluate
    from unitconv.inference.llm import LLM

    llm = LLM.from_pretrained(str(folder), prompt="cot", device="cpu")
    few = QUESTIONS // 4
    settings = prompt_probe.ProbeSettings(n_sampled=few, n_wrapped=few)
    measured = prompt_probe.probe_prompts(
        llm, questions(QUESTIONS), settings
    )
    hard = evaluate(llm, questions(QUESTIONS, hard=True))
    steps = summarize(hard.rows).steps
    measured["hard"] = hard.to_json() | {
        "steps": steps.value,
        "steps_ci95": list(steps.ci95),
    }
    return measured


def questions(count: int, hard: bool = False) -> list[Question]:
    """Generate development questions."""
    from unitconv.pretraining.dev_set import dev_questions
    from unitconv.task.dataset import Question

    found = dev_questions(count, hard=hard)
    return [Question(text, answer) for text, answer in found]


KEPT = re.compile(
    r"(n|imitated|accuracy|steps|answer_rate|(reasoning|fact|arithmetic)_validity"
    r"|at_least_one_right(_and_audited)?)(_ci95)?"
)


def summary(folder: Path) -> dict[str, Any]:
    """Summarise one run: its settings, time and rates."""
    record = json.loads((folder / "training.json").read_text())
    measured = json.loads((folder / "measured.json").read_text())
    rates = {
        prompt: {
            key: value
            for key, value in report.items()
            if KEPT.fullmatch(key)
        }
        for prompt, report in measured.items()
    }
    taken = ("tokens", "seconds", "machine", "torch", "config")
    return {key: record[key] for key in taken} | {"rates": rates}


@app.command()
def curve(
    run: Annotated[
        str, typer.Argument(help="Name of the run.")
    ] = "final-seed-0",
) -> None:
    """Measure the abilities of a run at several of its checkpoints."""
    import torch

    from unitconv.inference.llm import LLM
    from unitconv.inference.load.model import load_model
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


def probe(llm: LLM) -> dict[str, Any]:
    """Measure facts, products, sums, imitation and answers separately."""
    from unitconv.evaluation.evaluate import evaluate
    from unitconv.evaluation.prompt_probe import WRAPPERS, imitation_rate
    from unitconv.pretraining.dev_set import (
        fact_probes,
        product_probes,
        sum_probes,
    )

    parts = [imitation_rate(llm, questions(50), w) for w in WRAPPERS]
    rates = {
        "facts": completed(llm, fact_probes(200)),
        "products": completed(llm, product_probes(200)),
        "sums": completed(llm, sum_probes(200)),
        "imitation": Proportion(
            sum(part.successes for part in parts),
            sum(part.n for part in parts),
        ),
        "answers": evaluate(llm, questions(200)).accuracy,
        "hard answers": evaluate(llm, questions(200, hard=True)).accuracy,
    }
    return {
        name: {"n": rate.n, "rate": rate.value, "ci95": list(rate.ci95)}
        for name, rate in rates.items()
    }


def completed(llm: LLM, probes: list[Probe]) -> Proportion:
    """Measure how many texts are completed with a true number."""
    from unitconv.grading.answer import AUDIT_TOLERANCE
    from unitconv.inference.reference import Decoding

    settings = Decoding(max_new_tokens=16)
    texts = [probe.text for probe in probes]
    replies = llm.complete(texts, settings=settings)
    right = 0
    for probe, [reply] in zip(probes, replies, strict=True):
        number = re.match(r"\s*(\d+(?:\.\d+)?)", reply.text)
        right += number is not None and any(
            math.isclose(float(number[1]), answer, rel_tol=AUDIT_TOLERANCE)
            for answer in probe.answers
        )
    return Proportion(right, len(probes))


if __name__ == "__main__":
    app()
