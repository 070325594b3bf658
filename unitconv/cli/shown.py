"""What the training commands show: bars while they run, then a screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.table import Table

from unitconv.cli.console import cells, out, progress_bar, say
from unitconv.common import distributed

if TYPE_CHECKING:
    from unitconv.training.examples import Triple
    from unitconv.training.rollouts import Record, RolloutSettings
    from unitconv.training.trainer import TrainingResult


@contextmanager
def training_bar() -> Iterator[list[Any]]:
    """A callback that moves a bar and shows the latest score."""
    from transformers import TrainerCallback

    with progress_bar() as bar:
        task = bar.add_task("training", total=None)

        class Watch(TrainerCallback):
            def on_step_end(
                self, args: Any, state: Any, control: Any, **_: Any
            ) -> None:
                done, of = state.global_step, state.max_steps
                bar.update(task, completed=done, total=of)

            def on_evaluate(
                self, args: Any, state: Any, control: Any, **given: Any
            ) -> None:
                score = given["metrics"].get("eval_score", math.nan)
                text = f"training, {score:.3f} right on valid"
                bar.update(task, description=text)

        yield [Watch()]


@contextmanager
def rollout_bar(total: int) -> Iterator[Callable[[int], None]]:
    with progress_bar() as bar:
        share = total // distributed.world_size()
        task = bar.add_task("sampling", total=share)
        yield lambda done: bar.advance(task, done)


def show_rollouts(
    records: Sequence[Record],
    triples: Sequence[Triple],
    settings: RolloutSettings,
) -> None:
    """How many questions have something to learn from, and why not all."""
    from unitconv.training.rejection_sampling import (
        fates,
        success,
        success_by_family,
    )

    say(
        "rolled",
        f"{len(records)} questions x {settings.num_return_sequences} at "
        f"temperature {settings.temperature:g}",
    )
    table = Table()
    table.add_column("questions with a kept completion")
    for column in ("share", "95 % interval", "of"):
        table.add_column(column, justify="right")
    table.add_row("all", *cells(success(records)))
    for family, rate in success_by_family(records).items():
        table.add_row(family, *cells(rate))
    out.print(table)
    found = ", ".join(f"{k} {n}" for k, n in fates(records).most_common())
    say("fates", found)
    say("triples", str(len(triples)))


def summarise(result: TrainingResult) -> None:
    """One screen: what was trained, epoch by epoch, and where it is."""
    if not distributed.is_main_process():
        return
    from unitconv.inference.load import ADAPTER_WEIGHTS

    table = Table()
    for column in ("epoch", "loss", "valid loss", "right on valid", ""):
        table.add_column(column, justify="right")
    scores = dict(result.valid_scores)
    best = max(scores, key=lambda e: scores[e], default=0.0)
    for epoch, loss in result.valid_losses:
        train = [v for at, v in result.losses if epoch - 1 < at <= epoch]
        table.add_row(
            f"{epoch:.0f}",
            f"{sum(train) / len(train):.3f}" if train else "",
            f"{loss:.3f}",
            f"{scores[epoch]:.3f}" if epoch in scores else "",
            "kept" if epoch == best else "",
        )
    out.print(table)
    size = (result.folder / ADAPTER_WEIGHTS).stat().st_size / 1e6
    say("rows", f"{result.n_rows:,}")
    say(
        "trained",
        f"{result.n_trainable:,} parameters (rank {result.rank}), "
        f"{size:.2f} MB",
    )
    say("took", f"{result.seconds:.0f} s")
    say("adapter", str(result.folder))
    say("next", f"unitconv evaluate --adapter {result.folder}")
