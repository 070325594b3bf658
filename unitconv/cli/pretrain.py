"""Commands `pretrain`, `corpus` and `card`: make the course model."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from unitconv.cli import console, options
from unitconv.common.errors import UnitconvError
from unitconv.pretraining.config import PRESETS, PretrainConfig

if TYPE_CHECKING:
    from unitconv.pretraining.checkpoint import TrainingProgress
    from unitconv.pretraining.train import StepCallback


def pretrain(
    output: Annotated[
        Path, Argument(help="Folder for the model and its checkpoints.")
    ],
    preset: Annotated[
        str,
        Option(
            help="Model size and number of steps. course: made for two CPU "
            "cores; gpu: for one GPU; tiny: to try the command."
        ),
    ] = "course",
    steps: Annotated[
        int | None,
        Option(min=1, help="Training steps.", show_default="the preset's"),
    ] = None,
    seed: options.Seed = 0,
    resume: options.Resume = False,
) -> None:
    """Pretrain a model from scratch on generated text about units.

    The course's own model takes about three quarters of an hour on one CPU
    core. The same seed gives the same corpus and, on the same machine with
    as many threads, the same losses. A GPU is used if there is one.
    """
    config = replace(_pick_preset(preset), seed=seed)
    if steps is not None:
        warmup = min(config.warmup_steps, max(1, steps // 10))
        config = replace(config, steps=steps, warmup_steps=warmup)
    from transformers.utils.logging import disable_progress_bar

    from unitconv.common.files.lock_file import locked

    disable_progress_bar()  # of transformers, for the one file it writes
    with locked(output):
        progress = _pretrain(config, output, resume)
    console.write(
        f"loss {progress.losses[-1]:.3f} after "
        f"{progress.seconds / 60:.1f} minutes; the model is in {output}",
        console.err,
    )


def _pretrain(
    config: PretrainConfig, output: Path, resume: bool
) -> TrainingProgress:
    from unitconv.pretraining.model_card import export_model
    from unitconv.pretraining.train import make_model, make_tokenizer, train

    tokenizer = make_tokenizer(config)
    model = make_model(config, tokenizer)
    console.write(
        f"{model.num_parameters():,} parameters, {config.steps:,} steps of "
        f"{config.batch_size} x {config.row_length} tokens",
        console.err,
    )
    console.write(json.dumps(asdict(config), indent=2), console.err)
    with console.progress_bar("", config.steps) as update:
        progress = train(
            config,
            model,
            tokenizer,
            output / "checkpoints",
            resume=resume,
            on_step=_reporter(config, update),
        )
    export_model(output, model, tokenizer, config, progress)
    return progress


def _pick_preset(name: str) -> PretrainConfig:
    if name not in PRESETS:
        raise UnitconvError(
            f"unknown preset {name!r}: choose from {', '.join(PRESETS)}"
        )
    return PRESETS[name]


def _reporter(
    config: PretrainConfig, update: Callable[..., None]
) -> StepCallback:
    """Move the bar; print every 100th step where there is no terminal."""

    def report(progress: TrainingProgress) -> None:
        step, loss = progress.step, progress.losses[-1]
        rate = step * config.tokens_per_step / progress.seconds
        text = f"loss {loss:.3f}, {rate:,.0f} tokens/s"
        update(completed=step, description=text)
        if step % 100 == 0 and not console.err.is_terminal:
            line = f"step {step}/{config.steps}, {text}"
            console.write(line, console.err)

    return report


def corpus(
    count: Annotated[int, Option(min=1, help="How many.")] = 5,
    seed: options.Seed = 0,
) -> None:
    """Print documents of the pretraining corpus."""
    from unitconv.pretraining.corpus.dataset import make_document

    config = PRESETS["course"].corpus
    for index in range(count):
        rng = random.Random(f"{seed} preview {index}")
        console.write(f"{make_document(config, rng)}\n{'-' * 72}")


def card(
    folder: Annotated[Path, Argument(help="Folder of a pretrained model.")],
    report: Annotated[
        Path, Argument(help="Report of `measure` or `evaluate --json`.")
    ],
) -> None:
    """Copy measurements from a report into the model card."""
    from unitconv.common.errors import UnitconvError
    from unitconv.common.files.json_file import read_object
    from unitconv.pretraining.model_card import record_results

    record_results(folder, read_object(report, UnitconvError))
    console.write(f"{folder / 'README.md'} has the results of {report}")
