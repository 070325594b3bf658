"""Run, evaluate and record online RL on the course model.

    python -m experiments.online_rl sweep  # learning rates of two losses
    python -m experiments.online_rl run  # seeds, knobs, evaluations
    python -m experiments.online_rl ship  # the adapter `rl`
    python -m experiments.online_rl collect  # the book's record

Every step is a command that a reader can type. Its output goes to
`_build/online_rl/`; a step with an output is skipped, and one that was
killed is resumed. The runs are compared with the shipped adapter `rft`.
"""

from __future__ import annotations

import typer

from experiments.arms.records import update_record
from experiments.arms.stages import RESULTS
from experiments.arms.steps import Jobs, run_all
from experiments.online_rl import records, stages
from experiments.online_rl.ship import ship_adapter
from unitconv.common.run_metadata import machine

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command()
def sweep(jobs: Jobs = 2) -> None:
    """Train briefly with three learning rates for each loss."""
    run_all(stages.sweep_steps(), jobs)


@app.command()
def run(jobs: Jobs = 2) -> None:
    """Train with all seeds, knobs and variants, and measure."""
    run_all(stages.seed_steps(), jobs)
    run_all(stages.knob_steps(), jobs)
    run_all(stages.variant_steps(), jobs)
    run_all(stages.evaluation_steps(), jobs)


@app.command()
def ship() -> None:
    """Copy the adapter of seed 0 into the package."""
    ship_adapter()


@app.command()
def collect() -> None:
    """Write the records into the package.

    What is not in `_build/online_rl` stays as it was recorded.
    """
    found = {"machine": machine(), **records.online_record()}
    update_record(RESULTS / "online_rl.json", found)


if __name__ == "__main__":
    app()
