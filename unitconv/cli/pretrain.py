"""`unitconv pretrain`: what it takes, what it shows while it runs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar
from transformers.utils.logging import disable_progress_bar

from unitconv.pretraining.config import PRESETS, PretrainConfig

# As in `unitconv.cli`, whose commands these are: torch takes seconds to
# import, and --help should not wait for it.
if TYPE_CHECKING:
    from unitconv.pretraining.checkpoint import TrainingProgress

app = typer.Typer(
    help="Pretrain a course model from scratch, and look at its corpus.",
    no_args_is_help=True,
)

Output = Annotated[
    Path,
    typer.Argument(
        help="Folder for the finished model; checkpoints go below it.",
        show_default=False,
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        help="Size and budget: `course` is made for two CPU cores, `gpu` "
        "for one GPU, `tiny` for a look at how it works."
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Training steps; by default the preset's."),
]
Seed = Annotated[
    int, typer.Option(help="Seed of the corpus and of the first weights.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on from the latest checkpoint in the folder. The result "
        "is the same as without the interruption.",
    ),
]
KeepAll = Annotated[
    bool,
    typer.Option(
        "--keep-checkpoints",
        help="Keep every checkpoint, not only the last.",
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Log loss and speed to the folder's `runs`.",
    ),
]


@app.command()
def pretrain(
    output: Output,
    preset: Preset = "course",
    steps: Steps = None,
    seed: Seed = 0,
    resume: Resume = False,
    keep_checkpoints: KeepAll = False,
    tensorboard: TensorBoard = False,
) -> None:
    """Pretrain a model from scratch, on generated text about units.

    How long the course's own model took stands in its model card: plan
    three quarters of an hour on one core. The same command makes the same
    corpus and, on the same machine with as many threads, the same losses.
    A GPU is used where there is one.
    """
    disable_progress_bar()  # of transformers, for the one file it writes
    config = replace(
        choose_config(preset, steps, seed),
        keep_checkpoints=keep_checkpoints,
    )
    from unitconv.pretraining.checkpoint import ResumeError
    from unitconv.pretraining.model_card import export_model
    from unitconv.pretraining.train import make_model, make_tokenizer, train

    console = Console(stderr=True)
    tokenizer = make_tokenizer(config)
    model = make_model(config, tokenizer)
    console.print(
        f"{model.num_parameters():,} parameters, {config.steps:,} steps of "
        f"{config.batch_size} x {config.row_length} tokens"
    )
    console.print_json(json.dumps(asdict(config)))
    with watching(config, console, output, tensorboard) as watch:
        try:
            progress = train(
                config,
                model,
                tokenizer,
                output / "checkpoints",
                resume=resume,
                on_step=watch,
            )
        except ResumeError as error:
            raise typer.BadParameter(str(error)) from error
    export_model(output, model, tokenizer, config, progress)
    console.print(
        f"loss {progress.losses[-1]:.3f} after "
        f"{progress.seconds / 60:.1f} minutes; the model is in {output}"
    )


@app.command()
def corpus(
    count: Annotated[
        int, typer.Option(min=1, help="How many documents to print.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Which documents.")] = 0,
) -> None:
    """Print documents as the model reads them."""
    from unitconv.pretraining.corpus.dataset import make_document

    config = PRESETS["course"].corpus
    for index in range(count):
        rng = random.Random(f"{seed} preview {index}")
        typer.echo(make_document(config, rng))
        typer.echo("-" * 72)


@app.command()
def dev(
    output: Annotated[Path, typer.Argument(help="JSON file to write.")],
    count: Annotated[int, typer.Option(min=1, help="Questions.")] = 500,
    seed: Annotated[int, typer.Option(help="Which questions.")] = 0,
) -> None:
    """Write a development set: [question, answer] pairs, as JSON.

    Give it to `unitconv evaluate --data` to choose settings; its wordings
    stand in no question set and in no document of the corpus.
    """
    from unitconv.pretraining.dev_set import dev_questions

    questions = dev_questions(count, seed)
    output.write_text(json.dumps(questions, indent=0) + "\n")
    typer.echo(f"{len(questions)} questions in {output}")


@app.command()
def card(
    folder: Annotated[Path, typer.Argument(help="A pretrained model.")],
    report: Annotated[
        Path,
        typer.Argument(help="What `measure` or `evaluate --json` wrote."),
    ],
) -> None:
    """Add measurements to the model card.

    The numbers are copied from the report, never typed in.
    """
    from unitconv.pretraining.model_card import record_results

    found = json.loads(report.read_text())
    try:
        record_results(folder, found)
    except ValueError as error:
        raise typer.BadParameter(f"{report}: {error}") from error
    typer.echo(f"{folder / 'README.md'} now has the results of {report}")


def choose_config(
    preset: str, steps: int | None, seed: int
) -> PretrainConfig:
    """A preset with the person's changes.

    Raises:
        typer.BadParameter: no preset of that name.
    """
    if preset not in PRESETS:
        raise typer.BadParameter(
            f"no preset {preset!r}: choose from {', '.join(PRESETS)}"
        )
    config = replace(PRESETS[preset], seed=seed)
    if steps is not None:
        warmup = min(config.warmup_steps, max(1, steps // 10))
        config = replace(config, steps=steps, warmup_steps=warmup)
    return config


@contextmanager
def watching(
    config: PretrainConfig,
    console: Console,
    output: Path,
    tensorboard: bool,
) -> Iterator[Callable[[TrainingProgress], None]]:
    """A function to call after each step: bar, and TensorBoard if wanted.

    The bar vanishes where the output is no terminal; a line every hundred
    steps stands in for it.
    """
    writer = _summary_writer(output) if tensorboard else None
    columns = (
        TextColumn("loss {task.fields[loss]:.3f}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} tokens/s"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal
    with ProgressBar(
        *columns, console=console, transient=True, disable=not shown
    ) as bar:
        task = bar.add_task("", total=config.steps, loss=0.0, rate=0.0)

        def watch(progress: TrainingProgress) -> None:
            step, loss = progress.step, progress.losses[-1]
            rate = step * config.tokens_per_step / progress.seconds
            bar.update(task, completed=step, loss=loss, rate=rate)
            if not shown and step % 100 == 0:
                left = (
                    (config.steps - step)
                    * config.tokens_per_step
                    / rate
                    / 60
                )
                console.print(
                    f"step {step}/{config.steps}  loss {loss:.3f}  "
                    f"{rate:,.0f} tokens/s  {left:.0f} minutes left"
                )
            if writer is not None:
                writer.add_scalar("loss", loss, step)
                writer.add_scalar("tokens per second", rate, step)

        yield watch
    if writer is not None:
        writer.close()


def _summary_writer(output: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(output / "runs"))


if __name__ == "__main__":
    app()
