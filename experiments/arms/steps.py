"""Steps of an experiment: commands that are run once, several at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from unitconv.common.io import write_json
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
#: Option of the commands that run steps.
Jobs = Annotated[
    int, typer.Option(min=1, help="Steps that run at the same time.")
]


@dataclass(frozen=True)
class Step:
    """A command of `unitconv`, and the file or folder that it writes.

    A step with an output is skipped, and one that was killed is resumed.
    """

    arguments: list[str]
    output: Path
    #: A file of the output's folder, and a second name to give it first.
    link: tuple[str, str] | None = None

    @property
    def is_training(self) -> bool:
        return self.arguments[0] in ("sft", "rft", "rl")

    @property
    def is_done(self) -> bool:
        made = self.output
        return (
            made / ADAPTER_WEIGHTS if self.is_training else made
        ).exists()

    def command(self) -> list[str]:
        option = "--json" if self.arguments[0] == "evaluate" else "--output"
        arguments = [*self.arguments, f"{option}={self.output}"]
        if self.is_training and (self.output / "run.json").exists():
            arguments.append("--resume")
        return arguments


def run_all(steps: Iterable[Step], jobs: int) -> None:
    """Run steps in their order, `jobs` at a time.

    Raises:
        CalledProcessError: a step has failed; the others are finished.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        # A list: the first failure is raised after the last step.
        for _ in list(pool.map(partial(run_step, threads=threads), steps)):
            pass


def run_step(step: Step, threads: int) -> None:
    """Run a command unless its output exists; record its duration.

    What it prints goes into a file `.log` beside its output.
    """
    if step.is_done:
        return
    folder = step.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    if step.link and not (folder / step.link[1]).exists():
        source, name = step.link
        os.link(folder / source, folder / name)
    arguments = step.command()
    typer.echo("unitconv " + " ".join(arguments))
    start = time.perf_counter()
    with step.output.with_name(f"{step.output.name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "unitconv.cli", *arguments],
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    took = {
        "command": [
            argument.replace(f"{folder.parent}/", "").replace(
                f"{ROOT}/", ""
            )
            for argument in arguments
        ],
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        # Linux counts in kB, macOS in bytes.
        "peak_memory_gb": round(
            used.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6), 2
        ),
        "threads": threads,
    }
    write_json(took, step.output.with_name(f"{step.output.name}.took"))
