"""The fine-tuning that both trainers are given: rows, settings, a clock."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoTokenizer, TrainerCallback

from experiments.benchmarks.peers.serve import Measured, serve
from unitconv.inference.load import COURSE_MODEL, load_model
from unitconv.task.dataset import load_split
from unitconv.training.config import SFT_DEFAULTS, TrainingSettings
from unitconv.training.examples import TrainingExample, sft_examples

VALID_ROWS = 8  # a trainer of ours wants some; they are not timed


def read_task() -> tuple[str, int]:
    """What the task on the command line asks for: a model's folder, and
    how many steps."""
    data = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(data["threads"])
    return data["model"], int(data["steps"])


def settings() -> TrainingSettings:
    """One epoch: as many steps as there are batches of rows."""
    return TrainingSettings(
        epochs=1,
        learning_rate=SFT_DEFAULTS.learning_rate,
        dropout=SFT_DEFAULTS.dropout,
        max_adapter_mb=SFT_DEFAULTS.max_adapter_mb,
    )


@dataclass(frozen=True)
class Material:
    """A fresh model, and the rows of one epoch."""

    model: Any
    tokenizer: Any
    rows: list[TrainingExample]
    valid_rows: list[TrainingExample]

    @property
    def n_tokens(self) -> int:
        """The tokens learned from: prompts and padding do not count."""
        return sum(row.n_supervised for row in self.rows)


def material(folder: str, steps: int) -> Material:
    """A model, and real rows, again from the start if need be.

    The rows are the course model's tokens, whoever is to learn them.
    """
    model, _ = load_model(folder, torch.device("cpu"), torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(COURSE_MODEL)
    rows = sft_examples(load_split("train"), tokenizer)
    wanted = steps * settings().batch_size
    rows = (rows * (wanted // len(rows) + 1))[:wanted]
    valid = sft_examples(load_split("valid")[:VALID_ROWS], tokenizer)
    return Material(model, tokenizer, rows, valid)


@dataclass
class StepClock(TrainerCallback):
    """From the first step's begin to the last one's end.

    Loading, saving and validation are outside; so is the first epoch of a
    process, which warms it up.
    """

    begin: tuple[float, float] | None = None
    end: tuple[float, float] = field(default=(0.0, 0.0))

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if self.begin is None:
            self.begin = time.perf_counter(), time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.end = time.perf_counter(), time.process_time()

    def measured(self, n_tokens: int) -> Measured:
        """What a peer answers with."""
        assert self.begin is not None
        wall, cpu = (
            b - a for a, b in zip(self.begin, self.end, strict=True)
        )
        return {"wall": wall, "cpu": cpu, "tokens": n_tokens}


def serve_trainer(
    train: Callable[[Material, StepClock, str], object],
) -> None:
    """Let a peer train one epoch on a fresh model whenever it is asked.

    Args:
        train: takes what to train on, a callback that has to be among the
            trainer's, and a folder that is gone afterwards.
    """

    def load() -> Callable[[], Measured]:
        task = read_task()

        def repeat() -> Measured:
            given, clock = material(*task), StepClock()
            with TemporaryDirectory() as folder:
                train(given, clock, folder)
            return clock.measured(given.n_tokens)

        return repeat

    serve(load)
