"""This library's trainer."""

from __future__ import annotations

from pathlib import Path

from experiments.benchmarks.training_task import (
    Material,
    StepClock,
    serve_trainer,
    settings,
)
from unitconv.training.config import TrainingRun
from unitconv.training.trainer import TrainingData, fine_tune


def train(given: Material, clock: StepClock, folder: str) -> None:
    fine_tune(
        given.model,
        given.tokenizer,
        TrainingData(given.rows, given.valid_rows),
        settings(),
        TrainingRun(Path(folder) / "run", callbacks=[clock]),
    )


if __name__ == "__main__":
    serve_trainer(train)
