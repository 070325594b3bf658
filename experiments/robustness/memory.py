"""Peak memory of whole commands, each in a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from unitconv.task.dataset import load_split

QUESTION = "How many gram are there per 6 kg?"
REASONING = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
#: With the course model; `few.json` holds eight questions.
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
#: Of many questions, with `--data asked.json`.
GROWING = (
    "evaluate --json report.json",
    "rollouts -o rft.json --samples 1",
)


def write_inputs(folder: Path, n_questions: int = 8) -> None:
    """Write the files that the commands name."""
    asked = load_split("train")
    pairs = [
        [f"{i}: {asked[i % len(asked)].text}", 1.0]
        for i in range(n_questions)
    ]
    (folder / "asked.json").write_text(json.dumps(pairs))
    # As they are: `rft` works them out for its validation loss.
    few = [[question.text, question.answer] for question in asked[:8]]
    (folder / "few.json").write_text(json.dumps(few))
    triples = [[QUESTION, 6000, REASONING]]
    (folder / "triples.json").write_text(json.dumps(triples))


def peak_megabytes(command: str, n_questions: int = 8) -> float:
    """Run a command in a new folder; return its largest resident set.

    Raises:
        RuntimeError: the command failed.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, n_questions)
        with (folder / "log").open("w+") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "unitconv.cli",
                    *shlex.split(command),
                ],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=folder,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            log.seek(0)
            if process.returncode:
                raise RuntimeError(log.read())
    return usage.ru_maxrss * 1024 / 1e6  # Linux counts in KiB
