"""Sweep over pretraining settings, and the learning curve of one run.

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
from dataclasses import asdict, dataclass, replace
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
PROXY_STEPS = 700  # 3.1 M tokens: enough to rank settings
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class EarlierSetting:
    """A setting on the way to the final one, tried with some seeds."""

    steps: int = 2600
    direct_share: float = 0.52  # of rough answers too
    alternative_share: float = 0.655
    seeds: int = 1

    def config(self, seed: int = 0) -> PretrainConfig:
        """Build it without the latest additions: elevens, round factors."""
        final = PRESETS["course"]
        corpus = replace(
            final.corpus,
            chat_direct_share=self.direct_share,
            plain_direct_share=self.direct_share,
            rough_share=self.direct_share,
            alternative_share=self.alternative_share,
            eleven_weight=1,
            round_weight=0,
        )
        return replace(final, seed=seed, steps=self.steps, corpus=corpus)


EARLIER = {
    "earlier": EarlierSetting(seeds=3),
    "fewer-alternatives": EarlierSetting(alternative_share=0.64, seeds=2),
    "more-alternatives": EarlierSetting(alternative_share=0.67),
    "fewer-steps": EarlierSetting(steps=2400, alternative_share=0.66),
    "fewer-direct": EarlierSetting(
        steps=2200, direct_share=0.4, alternative_share=0.75, seeds=2
    ),
}
# About evenly spaced on a logarithmic axis, until the decay begins.
CURVE_STEPS = (100, 200, 300, 400, 600, 800, 1100, 1400, 1700, 2000)

app = typer.Typer(help=__doc__, no_args_is_help=True)


def runs() -> Iterator[tuple[str, PretrainConfig]]:
    """Yield names and settings of all runs.

    The final setting and the earlier ones with their seeds; then a short
    proxy of the first earlier one, and variants of it with one change.
    """
    for seed in SEEDS:
        yield f"final-seed-{seed}", replace(PRESETS["course"], seed=seed)
    for name, setting in EARLIER.items():
        for seed in SEEDS[: setting.seeds]:
            yield f"{name}-seed-{seed}", setting.config(seed)
    proxy = replace(EARLIER["earlier"].config(), steps=PROXY_STEPS)
    yield "proxy", proxy
    for name, value in (
        ("alternative_share", 0.0),
        ("chat_direct_share", 0.15),
        ("system_habit_share", 0.25),
        ("rough_share", 0.0),
    ):
        change: dict[str, Any] = {name: value}
        corpus = replace(proxy.corpus, **change)
        yield f"{name}-{value:g}", replace(proxy, corpus=corpus)
    # Chats take the place of the documents that are left out.
    for name, share in (("arithmetic_share", 0.2), ("table_share", 0.0)):
        freed = getattr(proxy.corpus, name) - share
        chats = round(proxy.corpus.chat_share + freed, 2)
        change = {name: share, "chat_share": chats}
        corpus = replace(proxy.corpus, **change)
        yield f"{name}-{share:g}", replace(proxy, corpus=corpus)
    yield "steps-350", replace(proxy, steps=PROXY_STEPS // 2)


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
    """Measure a trained model under all prompts."""
    from unitconv.evaluation import prompt_probe
    from unitconv.inference.llm import LLM

    llm = LLM.from_pretrained(str(folder), prompt="cot", device="cpu")
    few = QUESTIONS // 4
    settings = prompt_probe.ProbeSettings(n_sampled=few, n_wrapped=few)
    return prompt_probe.probe_prompts(llm, questions(QUESTIONS), settings)


def questions(count: int) -> list[Question]:
    """Generate development questions."""
    from unitconv.pretraining.dev_set import dev_questions
    from unitconv.task.dataset import Question

    return [Question(text, answer) for text, answer in dev_questions(count)]


KEPT = re.compile(
    r"(n|imitated|accuracy|answer_rate|(reasoning|fact|arithmetic)_validity"
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


def probe(llm: LLM) -> dict[str, Any]:
    """Measure facts, products, imitation and answers separately."""
    from unitconv.evaluation.evaluate import evaluate
    from unitconv.evaluation.prompt_probe import WRAPPERS, imitation_rate
    from unitconv.pretraining.dev_set import fact_probes, product_probes

    parts = [imitation_rate(llm, questions(50), w) for w in WRAPPERS]
    rates = {
        "facts": completed(llm, fact_probes(200)),
        "products": completed(llm, product_probes(200)),
        "imitation": Proportion(
            sum(part.successes for part in parts),
            sum(part.n for part in parts),
        ),
        "answers": evaluate(llm, questions(200)).accuracy,
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
