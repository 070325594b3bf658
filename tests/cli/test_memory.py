"""Peak memory of whole commands, in processes of their own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from unitconv.task.dataset import load_split

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="reads Linux' numbers"
    ),
]

LIMIT = 1000.0  # MB, of a command with the course model
GROWTH = 0.008  # MB a question; all prompts at once took 0.03
FEW, MANY = 512, 3072
QUESTION = "How many gram are there per 6 kg?"
COMMANDS = (
    f"ask '{QUESTION}'",
    "evaluate --limit 256",
    "evaluate --limit 10 --samples 4",
    "measure measured.json --limit 1",
    "rollouts -o rft.json --limit 12 --samples 10",
    "sft -o sft --limit 32 --epochs 1 --valid few.json",
    "rft -o rft --data triples.json --epochs 1 --valid few.json",
    "rl -o rl --steps 1 --questions 4 --samples 4 --valid few.json",
    "export -o model.gguf",
    "bench --questions 10 --slots 8 --repeats 1",
    "pretrain model --preset tiny --steps 2",
    "info",
)


def peak_megabytes(arguments: list[str], folder: Path) -> float:
    """Run a command, and return its largest resident set."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "unitconv.cli", *arguments],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        assert process.returncode == 0, log.read()
    return usage.ru_maxrss * 1024 / 1e6


def write_questions(path: Path, count: int) -> None:
    """Write questions, each with a number of its own."""
    asked = load_split("train")
    pairs = [
        [f"{i}: {asked[i % len(asked)].text}", 1.0] for i in range(count)
    ]
    path.write_text(json.dumps(pairs))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_less_than_a_gigabyte(
    command: str, tmp_path: Path
) -> None:
    write_questions(tmp_path / "few.json", 8)
    reasoning = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
    triples = [[QUESTION, 6000, reasoning]]
    (tmp_path / "triples.json").write_text(json.dumps(triples))
    assert peak_megabytes(shlex.split(command), tmp_path) < LIMIT


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--json=report.json"],
        ["rollouts", "-o=rft.json", "--samples=1"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_memory_does_not_grow_with_the_questions(
    arguments: list[str], model_folder: Path, tmp_path: Path
) -> None:
    peaks = []
    for count in (FEW, MANY):
        folder = tmp_path / str(count)
        folder.mkdir()
        write_questions(folder / "asked.json", count)
        more = ["--data=asked.json", f"--model={model_folder}"]
        command = [*arguments, *more, "--prompt=raw"]
        peaks.append(peak_megabytes(command, folder))
    assert peaks[1] - peaks[0] < GROWTH * (MANY - FEW)
