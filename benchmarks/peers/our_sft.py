"""This library's trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.serve import Measured, serve
from benchmarks.training_task import (
    StepClock,
    material,
    read_steps,
    settings,
)
from unitconv.training import fine_tune


def load() -> Callable[[], Measured]:
    """One epoch on a fresh model, each time."""
    steps = read_steps()

    def repeat() -> Measured:
        given, clock = material(steps), StepClock()
        with TemporaryDirectory() as folder:
            fine_tune(
                given.model,
                given.tokenizer,
                given.rows,
                given.valid_rows,
                settings(),
                Path(folder) / "run",
                callbacks=[clock],
            )
        return clock.measured(given.n_tokens)

    return repeat


if __name__ == "__main__":
    serve(load)
