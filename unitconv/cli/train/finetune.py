"""Commands `sft` and `rft`: fine-tune a model."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated

from typer import Option

from unitconv.cli import console, options
from unitconv.cli.console import write_field
from unitconv.cli.train.rollouts import sample, write_rollouts
from unitconv.common import distributed
from unitconv.task.dataset import DEFAULT_TASK
from unitconv.task.prompts import check_style
from unitconv.training import config

if TYPE_CHECKING:
    from unitconv.training.pipelines import Base
    from unitconv.training.trainer import TrainingResult


Reasoning = Annotated[
    bool,
    Option(
        "--reasoning",
        help="Train on reasoning written by code, before each answer.",
    ),
]
Digits = Annotated[
    int | None,
    Option(
        min=1,
        help="Significant digits of training answers.",
        show_default=f"{config.SIGNIFICANT_DIGITS}, or the task's",
    ),
]


def sft(
    output: options.Output,
    data: options.Data = None,
    split: options.TrainingSplits = None,
    model: options.Model = "course",
    valid: options.Valid = None,
    reasoning: Reasoning = False,
    digits: Digits = None,
    epochs: options.Epochs = None,
    rank: options.Rank = None,
    learning_rate: options.LearningRate = None,
    batch_size: options.TrainingBatch = None,
    seed: options.Seed = 0,
    max_adapter_mb: options.MaxSize = config.MAX_ADAPTER_MB,
    preset: options.Preset = None,
    limit: options.Limit = None,
    task: options.TaskName = DEFAULT_TASK,
    prompt: options.TrainingPrompt = "raw",
    resume: options.Resume = False,
    device: options.Device = None,
) -> None:
    """Supervised fine-tuning (SFT): train to answer at once.

    Trains a LoRA adapter on questions with replies such as
    <answer>6000</answer>, without reasoning, or with --reasoning.
    """
    questions = options.load_training(data, split, task)[:limit]
    validation = options.load_validation(valid, task)
    base = prepare(model, device, preset, task, prompt)
    overrides = {"rank": rank, "batch_size": batch_size, "seed": seed}
    overrides["epochs"] = epochs
    recipe = base.recipes.rft if reasoning else base.recipes.sft
    settings = choose_settings(
        base, recipe, learning_rate, max_adapter_mb, overrides
    )
    from unitconv.training.examples import reference_triples
    from unitconv.training.pipelines import train_rft, train_sft

    with console.training_bar() as bar:
        run = config.TrainingRun(output, resume, [bar])
        if reasoning:
            examples = reference_triples(questions, base.task)
            result = train_rft(base, examples, settings, run, validation)
        else:
            result = train_sft(
                base, questions, settings, run, validation, digits
            )
    _write_result(result, model, task)


def rft(
    output: options.Output,
    data: options.Selected = None,
    model: options.Model = "course",
    rounds: options.Rounds = 1,
    questions: options.Questions = None,
    split: options.TrainingSplits = None,
    samples: options.Samples = config.SAMPLES,
    temperature: options.Temperature = config.TEMPERATURE,
    valid: options.Valid = None,
    epochs: options.Epochs = None,
    rank: options.Rank = None,
    learning_rate: options.LearningRate = None,
    batch_size: options.TrainingBatch = None,
    seed: options.Seed = 0,
    max_adapter_mb: options.MaxSize = config.MAX_ADAPTER_MB,
    preset: options.Preset = None,
    task: options.TaskName = DEFAULT_TASK,
    prompt: options.TrainingPrompt = "raw",
    resume: options.Resume = False,
    device: options.Device = None,
) -> None:
    """Rejection-sampling fine-tuning (RFT) on right, audited replies."""
    pool = options.load_training(questions, split, task)
    validation = options.load_validation(valid, task)
    from unitconv.training.examples import read_triples
    from unitconv.training.pipelines import is_finished, train_rft
    from unitconv.training.rejection_sampling import merge_rounds
    from unitconv.training.rollouts import RolloutSettings

    sampling = RolloutSettings(samples, temperature, seed=seed)
    base = prepare(model, device, preset, task, prompt)
    overrides = {"rank": rank, "batch_size": batch_size, "seed": seed}
    overrides["epochs"] = epochs
    settings = choose_settings(
        base, base.recipes.rft, learning_rate, max_adapter_mb, overrides
    )
    examples = read_triples(data, base.task) if data else []
    adapter = None
    for number in range(1, rounds + 1):
        if number > 1 or not data:
            llm = options.load_llm(model, adapter, None, device, None, task)
            log = output / f"rollouts-{number}.jsonl"
            records = sample(llm, pool, sampling, log)
            examples = merge_rounds(examples, records, config.MAX_PATHS)
            triples = output / f"triples-{number}.json"
            write_rollouts(log, examples, triples, base.task)
        last = number == rounds
        adapter = output if last else output / "round-1"
        if resume and not last and is_finished(adapter):
            continue
        with console.training_bar() as bar:
            # Round 2 may not have begun when the run stopped.
            resumed = resume and (adapter / "run.json").exists()
            run = config.TrainingRun(adapter, resumed, [bar])
            result = train_rft(base, examples, settings, run, validation)
        _write_result(result, model, task)


def prepare(
    model: str,
    device: str | None,
    preset: str | None,
    task: str = DEFAULT_TASK,
    prompt: str = "raw",
) -> Base:
    """Choose a base model, its device and its hardware preset."""
    from transformers.utils.logging import disable_progress_bar

    from unitconv.training.pipelines import pick_base

    disable_progress_bar()
    distributed.barrier()
    base = pick_base(model, device, preset, options.load_task(task))
    check_style(prompt, base.task.chat_styles)
    return replace(base, prompt=prompt)


def choose_settings(
    base: Base,
    recipe: config.Recipe,
    learning_rate: float | None,
    max_adapter_mb: float,
    overrides: dict[str, int | None],
) -> config.TrainingSettings:
    """Combine a recipe with what was given by hand, and print all of it."""
    settings = base.settings(
        recipe,
        learning_rate=learning_rate,
        max_adapter_mb=max_adapter_mb,
        **overrides,
    )
    if distributed.is_main_process():
        values = asdict(base.preset) | asdict(settings)
        name = values.pop("name")
        line = f"{base.name} on {base.device}, preset {name}: "
        listed = ", ".join(f"{k} {v}" for k, v in values.items())
        console.write(line + listed.replace("_", " "), console.err)
    return settings


def _write_result(result: TrainingResult, model: str, task: str) -> None:
    """Print the losses and scores of each epoch, and what to run next."""
    if not distributed.is_main_process():
        return
    best, _ = max(result.valid_scores, key=lambda point: point[1])
    rows = []
    for (epoch, valid_loss), (_, score) in zip(
        result.valid_losses, result.valid_scores, strict=True
    ):
        loss = mean(v for at, v in result.losses if epoch - 1 < at <= epoch)
        numbers = [f"{n:.3f}" for n in (loss, valid_loss, score)]
        kept = "kept" if epoch == best else ""
        rows.append((f"{epoch:.0f}", *numbers, kept))
    heads = ("epoch", "loss", "valid loss", "right on valid", "")
    console.write_table(heads, rows, n_left=0)
    write_field(
        "trained",
        f"{result.n_trainable:,} parameters (rank {result.rank}, "
        f"{result.n_trainable * 4 / 1e6:.2f} MB) on {result.n_examples:,} "
        f"examples in {result.seconds:.0f} s",
    )
    write_field("adapter", str(result.folder))
    write_field("next", evaluation_of(model, result.folder, task))


def evaluation_of(
    model: str, adapter: Path, task: str = DEFAULT_TASK
) -> str:
    """Return the command that evaluates a new adapter."""
    own_model = "" if model == "course" else f" --model {model}"
    own_task = "" if task == DEFAULT_TASK else f" --task {task}"
    return f"unitconv evaluate{own_model} --adapter {adapter}{own_task}"
