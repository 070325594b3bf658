"""`unitconv sft`, `rollouts` and `rft`: the training half, as commands."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitconv.cli.console import err, write
from unitconv.cli.options import (
    Adapter,
    BatchSize,
    Budget,
    Device,
    Dropout,
    Dtype,
    Epochs,
    LearningRate,
    Limit,
    Model,
    Output,
    Paths,
    Preset,
    Prompt,
    Rank,
    Resume,
    Samples,
    Seed,
    Temperature,
    TrainData,
    Valid,
    check_writable,
    load_llm,
    read,
)
from unitconv.cli.shown import (
    rollout_bar,
    show_rollouts,
    summarise,
    training_bar,
)
from unitconv.common import distributed
from unitconv.inference.reference import BATCH_SIZE
from unitconv.training.config import (
    PATHS,
    RFT,
    SAMPLES,
    SFT,
    SIGNIFICANT_DIGITS,
    TEMPERATURE,
    Recipe,
)

if TYPE_CHECKING:
    from unitconv.task.dataset import Question
    from unitconv.training.examples import Triple
    from unitconv.training.lora import TrainingSettings
    from unitconv.training.pipelines import Base
    from unitconv.training.rollouts import RolloutSettings
    from unitconv.training.trainer import TrainingResult


def sft(
    output: Output,
    data: TrainData = None,
    model: Model = "course",
    valid: Valid = None,
    digits: Annotated[
        int, typer.Option(min=1, help="Significant digits of an answer.")
    ] = SIGNIFICANT_DIGITS,
    epochs: Epochs = SFT.epochs,
    rank: Rank = None,
    learning_rate: LearningRate = SFT.learning_rate,
    batch_size: BatchSize = None,
    dropout: Dropout = SFT.dropout,
    seed: Seed = 0,
    max_adapter_mb: Budget = SFT.max_adapter_mb,
    preset: Preset = None,
    limit: Limit = None,
    resume: Resume = False,
    device: Device = None,
) -> None:
    """Teach a model the format: question, <answer>6000</answer>."""
    questions = read(data, "train")[:limit]
    watched = read(valid, "valid")
    recipe = Recipe(epochs, learning_rate, max_adapter_mb, dropout)
    base, settings = _prepare(
        *(model, device, preset, recipe),
        rank=rank,
        batch_size=batch_size,
        seed=seed,
    )
    from unitconv.training.pipelines import train_sft

    with training_bar() as callbacks:
        result = train_sft(
            *(base, questions, settings, output, digits, watched),
            resume=resume,
            callbacks=callbacks,
        )
    summarise(result)


def rollouts(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="JSON file for triples of question, answer and "
            "reasoning; the record of all rollouts goes beside it.",
            show_default=False,
        ),
    ],
    data: TrainData = None,
    model: Model = "course",
    adapter: Adapter = None,
    prompt: Prompt = None,
    samples: Samples = SAMPLES,
    temperature: Temperature = TEMPERATURE,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0)] = 1.0,
    paths: Paths = PATHS,
    policy: Annotated[
        str,
        typer.Option(
            help="distinct: kept completions, in order. random: any that "
            "answer, the control."
        ),
    ] = "distinct",
    seed: Seed = 0,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows decoded together.")
    ] = BATCH_SIZE,
    limit: Limit = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Sample completions; keep those that are right for right reasons.

    A run that was stopped, however hard, goes on when the same command is
    given again, and ends with the same files.
    """
    questions = read(data, "train")[:limit]
    record = _record_of(output)
    from unitconv.training.examples import write_triples
    from unitconv.training.rejection_sampling import check_policy, select
    from unitconv.training.rollouts import RolloutSettings, sample_rollouts

    check_policy(policy)
    settings = RolloutSettings(samples, temperature, top_p, seed)
    distributed.barrier()
    llm = load_llm(model, adapter, prompt, device, dtype)
    with rollout_bar(len(questions)) as advance:
        records = sample_rollouts(
            llm, questions, settings, record, batch_size, advance
        )
    triples = select(records, paths, policy, seed)
    if distributed.is_main_process():
        write_triples(triples, output)
        show_rollouts(records, triples, settings)
        write(err, f"written: {output}, {record}")


def rft(
    output: Output,
    data: Annotated[
        Path | None,
        typer.Option(
            help="JSON triples of question, answer and reasoning, as "
            "`unitconv rollouts` writes them.",
            show_default="sampled here, from --questions",
        ),
    ] = None,
    model: Model = "course",
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            max=2,
            help="2: sample again from the trained model, join the paths, "
            "train again from the base.",
        ),
    ] = 1,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="What is sampled: all rounds, or the second with --data.",
            show_default="the train split",
        ),
    ] = None,
    samples: Samples = SAMPLES,
    temperature: Temperature = TEMPERATURE,
    paths: Paths = PATHS,
    valid: Valid = None,
    epochs: Epochs = RFT.epochs,
    rank: Rank = None,
    learning_rate: LearningRate = RFT.learning_rate,
    batch_size: BatchSize = None,
    dropout: Dropout = RFT.dropout,
    seed: Seed = 0,
    max_adapter_mb: Budget = RFT.max_adapter_mb,
    preset: Preset = None,
    resume: Resume = False,
    device: Device = None,
) -> None:
    """Teach a model its own reasoning, where that was right."""
    asked = read(questions, "train")
    watched = read(valid, "valid")
    recipe = Recipe(epochs, learning_rate, max_adapter_mb, dropout)
    base, settings = _prepare(
        *(model, device, preset, recipe),
        rank=rank,
        batch_size=batch_size,
        seed=seed,
    )
    from unitconv.training.pipelines import is_finished
    from unitconv.training.rollouts import RolloutSettings

    sampling = RolloutSettings(samples, temperature, seed=seed)
    sample = partial(_sample, base, asked, sampling, output, paths)
    train = partial(_train_rft, base, settings, watched, resume)
    triples = _triples(data) if data else sample([], None, 1)
    if rounds == 2:
        first = output / "round-1"
        if not (resume and is_finished(first)):
            summarise(train(triples, first))
        triples = sample(triples, first, 2)
    summarise(train(triples, output))


def _triples(path: Path) -> list[Triple]:
    from unitconv.training.examples import read_triples

    return read_triples(path)


def _record_of(output: Path) -> Path:
    """Where the record of all rollouts goes; checks that it can."""
    if output.suffix != ".json":
        raise ValueError(f"--output {output}: name a file ending in .json")
    check_writable(output, "--output")
    return output.with_suffix(".jsonl")


def _prepare(
    model: str,
    device: str | None,
    preset: str | None,
    recipe: Recipe,
    **given: Any,
) -> tuple[Base, TrainingSettings]:
    """The base and the settings, and a line that says what they are."""
    from transformers.utils.logging import disable_progress_bar

    from unitconv.training.pipelines import pick_base

    disable_progress_bar()
    distributed.barrier()
    base = pick_base(model, device, preset)
    settings = base.settings(recipe, **given)
    if distributed.is_main_process():
        shown = asdict(base.preset) | asdict(settings)
        name = shown.pop("name")
        values = ", ".join(
            f"{k.replace('_', ' ')} {v}" for k, v in shown.items()
        )
        write(err, f"{model} on {base.device}, preset {name}: {values}")
    return base, settings


def _train_rft(
    base: Base,
    settings: TrainingSettings,
    watched: list[Question],
    resume: bool,
    triples: list[Triple],
    folder: Path,
) -> TrainingResult:
    from unitconv.training.pipelines import train_rft

    # Of two rounds, the second may not have begun when the run stopped.
    resume = resume and (folder / "checkpoints").exists()
    with training_bar() as callbacks:
        return train_rft(
            *(base, triples, settings, folder, watched),
            resume=resume,
            callbacks=callbacks,
        )


def _sample(
    base: Base,
    asked: list[Question],
    sampling: RolloutSettings,
    output: Path,
    paths: int,
    triples: list[Triple],
    adapter: Path | None,
    number: int,
) -> list[Triple]:
    """A round of rollouts; its triples joined with those before it."""
    from unitconv.inference.llm import LLM
    from unitconv.training.examples import write_triples
    from unitconv.training.rejection_sampling import join
    from unitconv.training.rollouts import sample_rollouts

    output.mkdir(parents=True, exist_ok=True)
    record = output / f"rollouts-{number}.jsonl"
    device = str(base.device)
    llm = LLM.from_pretrained(base.name, adapter, device=device)
    with rollout_bar(len(asked)) as advance:
        records = sample_rollouts(
            llm, asked, sampling, record, progress=advance
        )
    joined = join(triples, records, paths)
    if distributed.is_main_process():
        write_triples(joined, output / f"triples-{number}.json")
        show_rollouts(records, joined, sampling)
    return joined
