"""`unitconv pretrain` and `unitconv corpus`.

`python -m unitconv.cli.pretrain` has two more commands for those who make
the shipped model: `dev` and `card`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
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

Count = Annotated[int, Option(min=1, help="How many.")]


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
    keep_checkpoints: Annotated[
        bool,
        Option("--keep-checkpoints", help="Keep all, not only the last."),
    ] = False,
    tensorboard: Annotated[
        bool, Option("--tensorboard", help="Log to `runs` in the folder.")
    ] = False,
) -> None:
    """Pretrain a model from scratch on generated text about units.

    The course's own model takes about three quarters of an hour on one CPU
    core. The same seed gives the same corpus and, on the same machine with
    as many threads, the same losses. A GPU is used if there is one.
    """
    if preset not in PRESETS:
        raise UnitconvError(
            f"unknown preset {preset!r}: choose from {', '.join(PRESETS)}"
        )
    config = replace(
        PRESETS[preset], seed=seed, keep_checkpoints=keep_checkpoints
    )
    if steps is not None:
        warmup = min(config.warmup_steps, max(1, steps // 10))
        config = replace(config, steps=steps, warmup_steps=warmup)
    from transformers.utils.logging import disable_progress_bar

    from unitconv.pretraining.model_card import export_model
    from unitconv.pretraining.train import make_model, make_tokenizer, train

    disable_progress_bar()  # of transformers, for the one file it writes
    tokenizer = make_tokenizer(config)
    model = make_model(config, tokenizer)
    console.write(
        f"{model.num_parameters():,} parameters, {config.steps:,} steps of "
        f"{config.batch_size} x {config.row_length} tokens",
        console.err,
    )
    console.write(json.dumps(asdict(config), indent=2), console.err)
    with _report_steps(config, output, tensorboard) as report:
        progress = train(
            config,
            model,
            tokenizer,
            output / "checkpoints",
            resume=resume,
            on_step=report,
        )
    export_model(output, model, tokenizer, config, progress)
    console.write(
        f"loss {progress.losses[-1]:.3f} after "
        f"{progress.seconds / 60:.1f} minutes; the model is in {output}",
        console.err,
    )


@contextmanager
def _report_steps(
    config: PretrainConfig, output: Path, tensorboard: bool
) -> Iterator[StepCallback]:
    """Show a bar, or a line every 100 steps where there is no terminal."""
    writer = None
    if tensorboard:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(output / "runs"))
    with console.progress_bar("", config.steps) as update:

        def report(progress: TrainingProgress) -> None:
            step, loss = progress.step, progress.losses[-1]
            rate = step * config.tokens_per_step / progress.seconds
            text = f"loss {loss:.3f}, {rate:,.0f} tokens/s"
            update(completed=step, description=text)
            if step % 100 == 0 and not console.err.is_terminal:
                line = f"step {step}/{config.steps}, {text}"
                console.write(line, console.err)
            if writer is not None:
                writer.add_scalar("loss", loss, step)
                writer.add_scalar("tokens per second", rate, step)

        yield report
    if writer is not None:
        writer.close()


def corpus(count: Count = 5, seed: options.Seed = 0) -> None:
    """Print documents of the pretraining corpus."""
    from unitconv.pretraining.corpus.dataset import make_document

    config = PRESETS["course"].corpus
    for index in range(count):
        rng = random.Random(f"{seed} preview {index}")
        console.write(f"{make_document(config, rng)}\n{'-' * 72}")


def dev(
    output: Annotated[Path, Argument(help="JSON file to write.")],
    count: Count = 500,
    seed: options.Seed = 0,
) -> None:
    """Write a development set, on which to choose settings.

    Its wordings occur in no split and in no document of the corpus. Give it
    to `unitconv evaluate --data`.
    """
    from unitconv.pretraining.dev_set import dev_questions

    questions = dev_questions(count, seed)
    output.write_text(json.dumps(questions, indent=0) + "\n")
    console.write(f"{len(questions)} questions in {output}")


def card(
    folder: Annotated[Path, Argument(help="Folder of a pretrained model.")],
    report: Annotated[
        Path,
        Argument(help="What `measure` or `evaluate --json` has written."),
    ],
) -> None:
    """Copy measurements from a report into the model card."""
    from unitconv.pretraining.model_card import record_results

    try:
        record_results(folder, json.loads(report.read_text()))
    except (ValueError, KeyError) as error:
        raise UnitconvError(f"{report}: {error}") from error
    console.write(f"{folder / 'README.md'} has the results of {report}")


app = console.make_app(pretrain, corpus, dev, card, no_args_is_help=True)

if __name__ == "__main__":
    app()
