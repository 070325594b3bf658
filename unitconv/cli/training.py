"""`unitconv sft`, `rollouts` and `rft`: the training half, as commands."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unitconv import processes

from .console import err, write
from .options import (
    Adapter,
    Device,
    Dtype,
    Limit,
    Model,
    Prompt,
    check_writable,
    load_llm,
)
from .shown import rollout_bar, show_rollouts, summarise, training_bar

if TYPE_CHECKING:
    from unitconv.finetuning import Triple
    from unitconv.lora import TrainingSettings
    from unitconv.questions import Question
    from unitconv.rollouts import RolloutSettings
    from unitconv.stages import Base
    from unitconv.training import TrainingResult

Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="Folder for the adapter.", show_default=False
    ),
]
Questions = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Your own JSON file: a list of question, answer pairs.",
        show_default="the train split",
    ),
]
Valid = Annotated[
    Path | None,
    typer.Option(
        help="Questions that decide which epoch is kept.",
        show_default="the valid split",
    ),
]
Epochs = Annotated[int, typer.Option(min=1)]
Rank = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Of LoRA.",
        show_default="the preset's, or less to stay in the budget",
    ),
]
LearningRate = Annotated[float, typer.Option(min=0.0)]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, help="Rows a step.", show_default="the preset's"),
]
Dropout = Annotated[float, typer.Option(min=0.0, max=1.0)]
Seed = Annotated[int, typer.Option()]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the last checkpoint.")
]
Budget = Annotated[
    float,
    typer.Option(help="Refuse a larger adapter, before any training."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="cpu, t4 or ampere: batch size, dtype and rank.",
        show_default="this machine's",
    ),
]
Samples = Annotated[
    int, typer.Option(min=1, help="Completions a question.")
]
Temperature = Annotated[float, typer.Option(min=0.0)]
Paths = Annotated[
    int, typer.Option(min=1, help="Distinct paths a question, at most.")
]


def sft(
    output: Output,
    data: Questions = None,
    model: Model = "course",
    valid: Valid = None,
    digits: Annotated[
        int, typer.Option(min=1, help="Significant digits of an answer.")
    ] = 4,
    epochs: Epochs = 9,
    rank: Rank = None,
    learning_rate: LearningRate = 1e-3,
    batch_size: BatchSize = None,
    dropout: Dropout = 0.0,
    seed: Seed = 0,
    max_adapter_mb: Budget = 20.0,
    preset: Preset = None,
    limit: Limit = None,
    resume: Resume = False,
    device: Device = None,
) -> None:
    """Teach a model the format: question, <answer>6000</answer>."""
    questions = _read(data, "train")[:limit]
    watched = _read(valid, "valid")
    base, settings = _prepare(
        *(model, device, preset),
        epochs=epochs,
        rank=rank,
        learning_rate=learning_rate,
        batch_size=batch_size,
        dropout=dropout,
        seed=seed,
        max_adapter_mb=max_adapter_mb,
    )
    from unitconv.stages import train_sft

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
    data: Questions = None,
    model: Model = "course",
    adapter: Adapter = None,
    prompt: Prompt = None,
    samples: Samples = 10,
    temperature: Temperature = 0.8,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0)] = 1.0,
    paths: Paths = 2,
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
    ] = 64,
    limit: Limit = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Sample completions; keep those that are right for right reasons.

    A run that was stopped, however hard, goes on when the same command is
    given again, and ends with the same files.
    """
    questions = _read(data, "train")[:limit]
    record = _record_of(output)
    from unitconv.finetuning import write_triples
    from unitconv.rollouts import RolloutSettings, sample_rollouts
    from unitconv.selection import check_policy, select

    check_policy(policy)
    settings = RolloutSettings(samples, temperature, top_p, seed)
    processes.meet()
    llm = load_llm(model, adapter, prompt, device, dtype)
    with rollout_bar(len(questions)) as advance:
        records = sample_rollouts(
            llm, questions, settings, record, batch_size, advance
        )
    triples = select(records, paths, policy, seed)
    if processes.is_first():
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
    samples: Samples = 10,
    temperature: Temperature = 0.8,
    paths: Paths = 2,
    valid: Valid = None,
    epochs: Epochs = 5,
    rank: Rank = None,
    learning_rate: LearningRate = 3e-3,
    batch_size: BatchSize = None,
    dropout: Dropout = 0.0,
    seed: Seed = 0,
    max_adapter_mb: Budget = 50.0,
    preset: Preset = None,
    resume: Resume = False,
    device: Device = None,
) -> None:
    """Teach a model its own reasoning, where that was right."""
    asked = _read(questions, "train")
    watched = _read(valid, "valid")
    base, settings = _prepare(
        *(model, device, preset),
        epochs=epochs,
        rank=rank,
        learning_rate=learning_rate,
        batch_size=batch_size,
        dropout=dropout,
        seed=seed,
        max_adapter_mb=max_adapter_mb,
    )
    from unitconv.rollouts import RolloutSettings
    from unitconv.stages import is_finished

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


def _read(path: Path | None, split: str) -> list[Question]:
    from unitconv.questions import load_split, read_questions

    return read_questions(path) if path else load_split(split)


def _triples(path: Path) -> list[Triple]:
    from unitconv.finetuning import read_triples

    return read_triples(path)


def _record_of(output: Path) -> Path:
    """Where the record of all rollouts goes; checks that it can."""
    if output.suffix != ".json":
        raise ValueError(f"--output {output}: name a file ending in .json")
    check_writable(output, "--output")
    return output.with_suffix(".jsonl")


def _prepare(
    model: str, device: str | None, preset: str | None, **given: Any
) -> tuple[Base, TrainingSettings]:
    """The base and the settings, and a line that says what they are."""
    from transformers.utils.logging import disable_progress_bar

    from unitconv.stages import pick_base

    disable_progress_bar()
    processes.meet()
    base = pick_base(model, device, preset)
    lower = given["rank"] is None
    settings = base.settings(lower_rank=lower, **given)
    if processes.is_first():
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
    from unitconv.stages import train_rft

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
    from unitconv.finetuning import write_triples
    from unitconv.llm import LLM
    from unitconv.rollouts import sample_rollouts
    from unitconv.selection import join

    output.mkdir(parents=True, exist_ok=True)
    record = output / f"rollouts-{number}.jsonl"
    device = str(base.device)
    llm = LLM.from_pretrained(base.name, adapter, device=device)
    with rollout_bar(len(asked)) as advance:
        records = sample_rollouts(
            llm, asked, sampling, record, progress=advance
        )
    joined = join(triples, records, paths)
    if processes.is_first():
        write_triples(joined, output / f"triples-{number}.json")
        show_rollouts(records, joined, sampling)
    return joined
