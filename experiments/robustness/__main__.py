"""Repeat the runs of the page "What this survives".

    python -m experiments.robustness schedules --count 1000
    python -m experiments.robustness fuzz --minutes 10
    python -m experiments.robustness kills --count 50
    python -m experiments.robustness memory

Each writes its part of `unitconv/evaluation/results/robustness.json`, which
the page reads. `fuzz` and `kills` add to what they did before, with other
inputs and moments.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer

from experiments.robustness import record

app = typer.Typer(add_completion=False)
Count = Annotated[int, typer.Option(min=1, help="How many.")]


@app.command()
def schedules(count: Count = 1000, faults: Count = 100) -> None:
    """Compare random schedules of the engine with other decoders."""
    from experiments.robustness.schedules import FAULTS, count_differences

    found = sum(count_differences(range(count)))
    planted = {
        fault: {
            "schedules": faults,
            "differ": sum(count_differences(range(faults), fault)),
        }
        for fault in FAULTS
    }
    content = {"schedules": count, "differ": found, "planted": planted}
    record.write("schedules", content)
    print(content)
    if found or not all(f["differ"] for f in planted.values()):
        raise typer.Exit(1)


@app.command()
def fuzz(
    minutes: Annotated[float, typer.Option(help="Of the CPU.")] = 10.0,
) -> None:
    """Give parsers, readers and graders inputs that hypothesis makes."""
    from experiments.robustness.fuzz import fuzz_all

    before = record.read().get("fuzz", {}).get("targets", {})
    seconds = 60 * minutes / 8
    done = fuzz_all(before, seconds)
    total = sum(target["inputs"] for target in done.values())
    record.write("fuzz", {"inputs": total, "targets": done})
    if any(target["faults"] for target in done.values()):
        raise typer.Exit(1)


@app.command()
def kills(count: Count = 50) -> None:
    """Stop every command at random moments, and compare the outcome."""
    from experiments.robustness.kills import kill_all

    before = record.read().get("kills", {}).get("commands", {})
    done = kill_all(before, count)
    record.write("kills", {"commands": done})
    if any(command["wrong"] for command in done.values()):
        raise typer.Exit(1)


@app.command()
def memory(
    questions: Annotated[
        list[int], typer.Option(help="For the commands that stream.")
    ] = [1_000, 10_000],  # noqa: B006
) -> None:
    """Measure the peak memory of every command.

    Many questions are put to a small random model.
    """
    from experiments.robustness.memory import (
        COMMANDS,
        GROWING,
        peak_megabytes,
    )
    from experiments.robustness.schedules import save_model

    peaks = {name: round(peak_megabytes(name)) for name in COMMANDS}
    with TemporaryDirectory() as folder:
        more = f"--data asked.json --prompt raw --model {folder}"
        save_model(Path(folder))
        growing = {
            name: {
                str(n): round(peak_megabytes(f"{name} {more}", n))
                for n in questions
            }
            for name in GROWING
        }
    content = {"megabytes": peaks, "by_questions": growing}
    record.write("memory", content)
    print(content)


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
