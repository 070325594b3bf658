"""Commands `sft`, `rollouts` and `rft`: fine-tune a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated

from typer import Option

from unitconv.cli import console, options
from unitconv.cli.console import write_field
from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.training import config
from unitconv.training.config import RFT_DEFAULTS, SFT_DEFAULTS

if TYPE_CHECKING:
    from unitconv.inference.llm import LLM
    from unitconv.task.dataset import Question
    from unitconv.training.examples import ReasoningExample
    from unitconv.training.pipelines import Base
    from unitconv.training.rollouts import RolloutRecord, RolloutSettings
    from unitconv.training.trainer import TrainingResult


def sft(
    output: options.Output,
    data: options.Data = None,
    split: options.TrainingSplits = None,
    model: options.Model = "course",
    valid: options.Valid = None,
    reasoning: Annotated[
        bool,
        Option(
            "--reasoning",
            help="Train on reasoning written by code, before each answer.",
        ),
    ] = False,
    digits: Annotated[
        int, Option(min=1, help="Significant digits of training answers.")
    ] = config.SIGNIFICANT_DIGITS,
    epochs: options.Epochs = SFT_DEFAULTS.epochs,
    rank: options.Rank = None,
    learning_rate: options.LearningRate = SFT_DEFAULTS.learning_rate,
    batch_size: options.TrainingBatch = None,
    seed: options.Seed = 0,
    max_adapter_mb: options.MaxSize = SFT_DEFAULTS.max_adapter_mb,
    preset: options.Preset = None,
    limit: options.Limit = None,
    resume: options.Resume = False,
    device: options.Device = None,
) -> None:
    """Supervised fine-tuning (SFT): train to answer at once.

    Trains a LoRA adapter on questions with replies such as
    <answer>6000</answer>, without reasoning, or with --reasoning.
    """
    questions = options.load_training(data, split)[:limit]
    validation = options.load_validation(valid)
    recipe = config.Recipe(epochs, learning_rate, max_adapter_mb)
    overrides = {"rank": rank, "batch_size": batch_size, "seed": seed}
    base, settings = _prepare(model, device, preset, recipe, overrides)
    from unitconv.training.examples import reference_triples
    from unitconv.training.pipelines import train_rft, train_sft

    with console.training_bar() as bar:
        run = config.TrainingRun(output, resume, [bar])
        if reasoning:
            examples = reference_triples(questions)
            result = train_rft(base, examples, settings, run, validation)
        else:
            result = train_sft(
                base, questions, settings, run, validation, digits
            )
    _write_result(result)


def rollouts(
    output: options.Triples,
    data: options.Data = None,
    split: options.TrainingSplits = None,
    model: options.Model = "course",
    adapter: options.Adapter = None,
    prompt: options.Prompt = None,
    samples: options.Samples = config.SAMPLES,
    temperature: options.Temperature = config.TEMPERATURE,
    policy: Annotated[
        str,
        Option(
            help="Which completions may be selected. strict: answers "
            "within 1 % whose reasoning passes the audit; audited: within "
            "5 %; right: within 5 %, unaudited; random: as many as strict "
            "selects from all, as a control."
        ),
    ] = "strict",
    seed: options.Seed = 0,
    batch_size: options.DecodingBatch = None,
    limit: options.Limit = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Sample completions and select training data for RFT among them.

    A completion is right if its answer and its reasoning are. A run that
    was stopped continues when the same command is given again.
    """
    questions = options.load_training(data, split)[:limit]
    if output.suffix != ".json":
        raise UnitconvError(f"--output {output}: name a .json file")
    options.check_writable(output, "--output")
    from unitconv.training import rejection_sampling
    from unitconv.training.rollouts import RolloutSettings

    rejection_sampling.check_policy(policy)
    settings = RolloutSettings(samples, temperature, seed=seed)
    distributed.barrier()
    llm = options.load_llm(model, adapter, prompt, device, dtype)
    log = output.with_suffix(".jsonl")
    records = _sample(llm, questions, settings, log, batch_size)
    examples = rejection_sampling.select_examples(
        records, policy=policy, seed=seed
    )
    _write_rollouts(records, examples, output)


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
    epochs: options.Epochs = RFT_DEFAULTS.epochs,
    rank: options.Rank = None,
    learning_rate: options.LearningRate = RFT_DEFAULTS.learning_rate,
    batch_size: options.TrainingBatch = None,
    seed: options.Seed = 0,
    max_adapter_mb: options.MaxSize = RFT_DEFAULTS.max_adapter_mb,
    preset: options.Preset = None,
    resume: options.Resume = False,
    device: options.Device = None,
) -> None:
    """Rejection-sampling fine-tuning (RFT): train on right reasoning.

    Trains a LoRA adapter on the model's own right completions.
    """
    pool = options.load_training(questions, split)
    validation = options.load_validation(valid)
    from unitconv.training.examples import read_triples
    from unitconv.training.pipelines import is_finished, train_rft
    from unitconv.training.rejection_sampling import merge_rounds
    from unitconv.training.rollouts import RolloutSettings

    sampling = RolloutSettings(samples, temperature, seed=seed)
    examples = read_triples(data) if data else []
    recipe = config.Recipe(epochs, learning_rate, max_adapter_mb)
    overrides = {"rank": rank, "batch_size": batch_size, "seed": seed}
    base, settings = _prepare(model, device, preset, recipe, overrides)
    adapter = None
    for number in range(1, rounds + 1):
        if number > 1 or not data:
            llm = options.load_llm(model, adapter, None, device, None)
            log = output / f"rollouts-{number}.jsonl"
            records = _sample(llm, pool, sampling, log)
            examples = merge_rounds(examples, records, config.MAX_PATHS)
            triples = output / f"triples-{number}.json"
            _write_rollouts(records, examples, triples)
        last = number == rounds
        adapter = output if last else output / "round-1"
        if resume and not last and is_finished(adapter):
            continue
        with console.training_bar() as bar:
            # Round 2 may not have begun when the run stopped.
            resumed = resume and (adapter / "checkpoints").exists()
            run = config.TrainingRun(adapter, resumed, [bar])
            result = train_rft(base, examples, settings, run, validation)
        _write_result(result)


def _prepare(
    model: str,
    device: str | None,
    preset: str | None,
    recipe: config.Recipe,
    overrides: dict[str, int | None],
) -> tuple[Base, config.TrainingSettings]:
    """Return a base model with its settings, and print both."""
    from transformers.utils.logging import disable_progress_bar

    from unitconv.training.pipelines import pick_base

    disable_progress_bar()
    distributed.barrier()
    base = pick_base(model, device, preset)
    settings = base.settings(recipe, **overrides)
    if distributed.is_main_process():
        values = asdict(base.preset) | asdict(settings)
        line = f"{model} on {base.device}, preset {values.pop('name')}: "
        listed = ", ".join(f"{k} {v}" for k, v in values.items())
        console.write(line + listed.replace("_", " "), console.err)
    return base, settings


def _sample(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    log: Path,
    batch_size: int | None = None,
) -> list[RolloutRecord]:
    from unitconv.inference.reference import BATCH_SIZE
    from unitconv.training.rollouts import sample_rollouts

    log.parent.mkdir(parents=True, exist_ok=True)
    total = len(questions) // distributed.world_size()
    with console.progress_bar("sampling", total) as update:
        return sample_rollouts(
            llm,
            questions,
            settings,
            log,
            batch_size=batch_size or BATCH_SIZE,
            progress=lambda done: update(advance=done),
        )


def _write_rollouts(
    records: Sequence[RolloutRecord],
    examples: Sequence[ReasoningExample],
    output: Path,
) -> None:
    """Write the selected examples, and print why others were rejected."""
    from unitconv.training import rejection_sampling as sampling
    from unitconv.training.examples import write_triples

    if not distributed.is_main_process():
        return
    write_triples(examples, output)
    n_samples = len(records[0].rollouts)
    write_field("sampled", f"{len(records)} questions x {n_samples}")
    rates = {"all": sampling.success_rate(records)}
    rates |= sampling.success_rate_by_family(records)
    console.write_rates("questions with a right completion", rates)
    counts = sampling.outcome_counts(records).most_common()
    write_field("of all", ", ".join(f"{name} {n}" for name, n in counts))
    write_field("triples", f"{len(examples)} in {output}")


def _write_result(result: TrainingResult) -> None:
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
    write_field("next", f"unitconv evaluate --adapter {result.folder}")
