"""Repeat the runs of the page "What this survives".

    python -m experiments.robustness schedules --count 1000
    python -m experiments.robustness fuzz --minutes 10
    python -m experiments.robustness long-texts
    python -m experiments.robustness kills --count 50
    python -m experiments.robustness memory
    python -m experiments.robustness growth

Each writes its part of `experiments/robustness/record.json`, which the
page reads. `fuzz` and `kills` add to what they did before, with other
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

    done = record.read().get("fuzz", {}).get("targets", {})
    for name, found in fuzz_all(done, 60 * minutes / 8):
        done = done | {name: found}
        total = sum(target["inputs"] for target in done.values())
        record.write("fuzz", {"inputs": total, "targets": done})
    if any(target["faults"] for target in done.values()):
        raise typer.Exit(1)


@app.command()
def long_texts() -> None:
    """Time the parsers on texts of 100 kB."""
    from experiments.robustness.fuzz import time_long_texts

    found = time_long_texts()
    record.write("long_texts", {"milliseconds": found})
    print(found)


@app.command()
def kills(
    commands: Annotated[
        list[str] | None,
        typer.Argument(help="Such as `rl download`.", show_default="all"),
    ] = None,
    count: Count = 50,
) -> None:
    """Stop every command at random moments, and compare the outcome."""
    from experiments.robustness.kills import COMMANDS, kill_all

    chosen = dict.fromkeys(commands or COMMANDS)
    if unknown := chosen.keys() - COMMANDS.keys():
        known = ", ".join(COMMANDS)
        wrong = ", ".join(sorted(unknown))
        raise typer.BadParameter(f"{wrong}: the commands are {known}")
    done = record.read().get("kills", {}).get("commands", {})
    for name, found in kill_all(done, count, chosen):
        done = done | {name: found}
        record.write("kills", {"commands": done})
    if any(command["wrong"] for command in done.values()):
        raise typer.Exit(1)


@app.command()
def memory() -> None:
    """Measure the peak memory of every command."""
    from experiments.robustness.memory import COMMANDS, peak_megabytes

    peaks = {}
    for name in COMMANDS:
        peaks[name] = round(peak_megabytes(name))
        print(name, peaks[name], flush=True)
        record.write("memory", {"megabytes": peaks})


@app.command()
def growth(
    questions: Annotated[
        list[int] | None,
        typer.Option(help="How many; may be repeated. [1000 and 10000]"),
    ] = None,
) -> None:
    """Measure the memory of many questions, with a small random model."""
    from experiments.robustness.memory import GROWING, peak_megabytes
    from experiments.robustness.schedules import save_model

    peaks: dict[str, dict[str, int]] = {name: {} for name in GROWING}
    with TemporaryDirectory() as folder:
        more = f"--data asked.json --prompt raw --model {folder}"
        save_model(Path(folder))
        for n in questions or (1_000, 10_000):
            for name in GROWING:
                peak = peak_megabytes(f"{name} {more}", n)
                peaks[name][str(n)] = round(peak)
                print(n, name, peak, flush=True)
            record.write("growth", {"megabytes": peaks})


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
