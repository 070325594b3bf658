"""Train, evaluate and record SmolLM2-135M-Instruct on the laptop's CPU.

    python -m experiments.smollm2 curve  # 1 to 8 worked examples
    python -m experiments.smollm2 settings  # short trainings
    python -m experiments.smollm2 run  # train and measure all stages
    python -m experiments.smollm2 ship  # adapters into the package
    python -m experiments.smollm2 collect  # the book's record

Every step is a command that a reader can type. Its output goes to
`_build/smollm2/`; a step with an output is skipped, and one that was killed
is resumed.
"""

from __future__ import annotations

import json

import typer

from experiments.arms.records import update_record
from experiments.arms.stages import RESULTS
from experiments.arms.steps import Jobs, run_all
from experiments.smollm2 import records, stages
from experiments.smollm2 import ship as shipping
from unitconv.common.io import write_text
from unitconv.common.run_metadata import machine
from unitconv.inference.load.adapter import ADAPTERS
from unitconv.task.dataset import load_split

N_VALID = 100  # greedy replies after each epoch take two minutes

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command()
def curve(jobs: Jobs = 2) -> None:
    """Measure 1 to 8 worked examples in the prompt on `valid`."""
    run_all(stages.curve_steps(), jobs)


@app.command()
def settings(jobs: Jobs = 2) -> None:
    """Train briefly, with changed settings."""
    write_questions()
    run_all(stages.settings_steps(), jobs)


@app.command()
def run(jobs: Jobs = 2) -> None:
    """Train and measure every stage."""
    write_questions()
    run_all(stages.prompt_steps(), jobs)
    run_all(stages.sampling_steps(), 1)
    run_all(stages.training_steps(), jobs)
    run_all(stages.expert_steps(), 1)
    run_all(stages.best_steps(), 1)
    run_all(stages.online_steps(), 1)
    run_all(stages.evaluation_steps(), jobs)
    run_all(stages.format_steps(), 1)


@app.command()
def collect() -> None:
    """Write the records into the package.

    What is not in `_build/smollm2` stays as it was recorded.
    """
    found = {
        "machine": machine(),
        "weights": stages.WEIGHTS,
        "shown": records.replies_record(),
        "curve": records.curve_record(),
        "settings": records.settings_record(),
        "sorted": records.sorted_record(),
        **records.stages_record(),
        "rollouts": records.rollouts_record(),
        "online": records.online_record(),
        "formats": records.formats_record(),
        "took": records.times(),
    }
    update_record(RESULTS / "smollm2.json", found)


@app.command()
def ship(jobs: Jobs = 2) -> None:
    """Copy adapters into the package, and measure the copies."""
    for name, stage in stages.SHIPPED.items():
        shipping.copy_in_16_bits(stages.WORK / stage, ADAPTERS / name)
    run_all(shipping.evaluation_steps(), jobs)
    shipping.write_cards()


def write_questions() -> None:
    """Write the questions that decide which epoch is kept.

    And every second training question, to sample from the best stage.
    """
    half = load_split("train")[::2] + load_split("train_hard")[::2]
    valid = load_split("valid")[: N_VALID // 2]
    valid += load_split("valid_hard")[: N_VALID // 2]
    stages.WORK.mkdir(parents=True, exist_ok=True)
    for name, questions in {"valid": valid, "half": half}.items():
        pairs = [[q.text, q.answer] for q in questions]
        path = stages.WORK / f"{name}.json"
        write_text(json.dumps(pairs, indent=0) + "\n", path)


if __name__ == "__main__":
    app()
