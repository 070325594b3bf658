"""A peer's process, as its caller sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from experiments.benchmarks.workloads import Workload
from unitconv.common.io import write_json

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0  # seconds; a server's threads may outlive its work


def write_task(
    work: Path, model: Path, dtype: str, threads: int, workload: Workload
) -> Path:
    """The file that tells a decoder what to do."""
    path = work / f"task-{workload.slots}.json"
    data = {
        "model": str(model),
        "dtype": dtype,
        "threads": threads,
        "work": str(work),
        "workload": workload.to_json(),
    }
    write_json(data, path)
    return path


class Peer:
    """A process that is warm when it is entered, and ends when left."""

    def __init__(self, name: str, task: Path) -> None:
        self.name = name
        threads = str(json.loads(task.read_text())["threads"])
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"experiments.benchmarks.peers.{name}",
                str(task),
            ],
            cwd=ROOT,
            env=os.environ | dict.fromkeys(names, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self._read()  # "ready"
        return self

    def __exit__(self, *_: object) -> None:
        """Its input ends, and so does it, unless a thread of it stays."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def repeat(self) -> dict[str, Any]:
        """Do the job once more; what was measured."""
        assert self._process.stdin is not None
        print("again", file=self._process.stdin, flush=True)
        return dict(json.loads(self._read()))

    def _read(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"peer {self.name} has died: see above")
        return answer
