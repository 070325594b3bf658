"""Rehearse the Slurm scripts of the book on this machine, without Slurm.

    python -m experiments.robustness.rehearsal --questions 256

`srun` and `scontrol` are replaced by a few lines of shell; the scripts are
run as they are. What several tasks or processes write is compared with
what one command writes, and `rehearsal.json` says how it went.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from unitconv.common.io import write_json
from unitconv.common.run_metadata import run_metadata
from unitconv.task.dataset import load_split

RECORD = Path(__file__).with_name("rehearsal.json")
SLURM = Path(__file__).parents[2] / "book" / "slurm"
CLI = f"{sys.executable} -m unitconv.cli"
#: Stand-ins for Slurm's commands; each node gets a number of its own.
COMMANDS = {
    "scontrol": "echo 127.0.0.1",
    "torchrun": f'exec {sys.executable} -m torch.distributed.run "$@"',
    "python": f'exec {sys.executable} "$@"',
    "srun": """
for node in $(seq 0 $((SLURM_NNODES - 1))); do
    SLURM_NODEID=$node "$@" &
    started="${started:-} $!"
done
for one in $started; do wait $one || failed=1; done
exit ${failed:-0}
""",
}


class Rehearsal:
    """A folder to run in, with Slurm's commands and variables."""

    def __init__(self, folder: Path, model: str, options: str) -> None:
        self.folder = folder
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name, body in COMMANDS.items():
            (bin_folder / name).write_text(f"#!/bin/bash\n{body}\n")
            (bin_folder / name).chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "GLOO_SOCKET_IFNAME": "lo",
            "OMP_NUM_THREADS": "1",
            "MODEL": model,
            "PROCESSES": "1",
            "OPTIONS": options,
            "SLURM_JOB_ID": "4321",
            "SLURM_JOB_NODELIST": "node[1-2]",
        }

    def run(self, command: str, **variables: str) -> float:
        """Run a line of shell; return the seconds it took.

        Raises:
            RuntimeError: it failed.
        """
        start = time.perf_counter()
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{command}\n{done.stdout}{done.stderr}")
        return round(time.perf_counter() - start, 1)

    def read(self, name: str) -> Any:
        """Return a file; of a report, what does not depend on time."""
        text = (self.folder / name).read_text("utf-8")
        if not name.startswith("report"):
            return text
        report = json.loads(text)
        for key in ("seconds", "tokens_per_second", "run"):
            del report[key]
        return report


def rehearse(
    folder: Path,
    questions: int,
    tasks: int,
    model: str = "course",
    options: str = "",
) -> dict[str, Any]:
    """Run every script; return seconds, and whether the bytes agree."""
    here = Rehearsal(folder, model, options)
    asked = load_split("train")[:questions]
    pairs = json.dumps([[q.text, q.answer] for q in asked])
    (folder / "questions.json").write_text(pairs)
    inputs = f"--model $MODEL --data questions.json {options}"
    whole = here.run(
        f"{CLI} rollouts {inputs} --samples 4 --output whole.json"
    )
    here.run(f"python {SLURM}/parts.py split questions.json parts {tasks}")
    each = [
        here.run(
            f"bash {SLURM}/rollouts.sbatch", SLURM_ARRAY_TASK_ID=f"{i}"
        )
        for i in range(tasks)
    ]
    here.run(f"python {SLURM}/parts.py join parts rft.json")
    alone = here.run(f"{CLI} evaluate {inputs} --json report-alone.json")
    several = here.run(
        f"bash {SLURM}/evaluate.sbatch",
        PROCESSES="2",
        OPTIONS=f"--data questions.json {options}",
    )
    training = "--data questions.json --valid questions.json --epochs 1"
    two = here.run(
        f"bash {SLURM}/sft.sbatch", SLURM_NNODES="2", OPTIONS=training
    )
    return {
        "questions": questions,
        "rollouts": {
            "tasks": tasks,
            "seconds": {"one command": whole, "tasks": each},
            "same": here.read("rft.json") == here.read("whole.json"),
        },
        "evaluate": {
            "processes": 2,
            "seconds": {"one command": alone, "processes": several},
            "same": here.read("report.json")
            == here.read("report-alone.json"),
        },
        "sft": {
            "nodes": 2,
            "seconds": two,
            "adapter": (
                folder / "adapter/adapter_model.safetensors"
            ).exists(),
        },
    }


def main(
    questions: Annotated[int, typer.Option(help="How many.")] = 300,
    tasks: Annotated[int, typer.Option(help="Of the array.")] = 3,
) -> None:
    """Rehearse with the course model, and record it."""
    with TemporaryDirectory() as folder:
        found = rehearse(Path(folder), questions, tasks)
    write_json(found | {"run": run_metadata()}, RECORD)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    typer.run(main)
