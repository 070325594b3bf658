"""Real processes: commands that get a signal, and go on afterwards.

Faults at more points are in `test_trainer`, `test_rollouts`, `test_rl_run`
and `test_evaluate`; `experiments.robustness` kills at random moments.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.move_repository import ROOT
from tests.processes import (
    APPEND,
    CLI,
    GGUF,
    LOCAL,
    REPORT,
    RFT_WEIGHTS,
    RL_WEIGHTS,
    ROLLOUTS,
    TIMEOUT,
    WEIGHTS,
    Arguments,
    content,
    run,
)
from unitconv.training.rl.pipeline import RECORD

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Kill:
    """A signal before a numbered call, and outputs to compare."""

    command: str
    point: str
    number: int
    signal: str
    outputs: list[str]


KILLS = [
    Kill("rollouts", APPEND, 1, "TERM", ROLLOUTS),
    Kill("rollouts", APPEND, 3, "KILL", ROLLOUTS),
    # The run is recorded, and has no folder for its checkpoints yet.
    Kill(
        "rft",
        "unitconv.training.trainer:add_lora",
        1,
        "KILL",
        [RFT_WEIGHTS],
    ),
    Kill("rollouts", "pathlib:Path.replace", 2, "INT", ROLLOUTS),
    Kill("evaluate", APPEND, 2, "KILL", [REPORT]),
    Kill("evaluate", "pathlib:Path.replace", 2, "TERM", [REPORT]),
    Kill(
        *("sft", "transformers:Trainer._save_checkpoint", 2),
        *("KILL", [WEIGHTS]),
    ),
    Kill(
        *("sft", "unitconv.training.trainer:save_adapter", 1),
        *("INT", [WEIGHTS]),
    ),
    Kill(
        *("rl", "unitconv.training.rl.pipeline:save_checkpoint", 2),
        *("TERM", [RL_WEIGHTS, f"rl/{RECORD}"]),
    ),
    Kill("export", "pathlib:Path.replace", 1, "KILL", [GGUF]),
]


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize(
    "kill",
    [
        *KILLS[:3],
        *(pytest.param(kill, marks=pytest.mark.long) for kill in KILLS[3:]),
    ],
    ids=str,
)
def test_a_killed_command_resumes_to_the_same_bytes(
    arguments: Arguments, uninterrupted: Path, tmp_path: Path, kill: Kill
) -> None:
    command = arguments(kill.command, tmp_path)
    planted = [kill.point, str(kill.number), kill.signal, *command]
    killed = subprocess.run(
        [sys.executable, "-m", "tests.kill_at", *planted],
        capture_output=True,
        timeout=TIMEOUT,
        env=LOCAL,
        cwd=ROOT,
    )
    by_signal = -signal.Signals[f"SIG{kill.signal}"]
    expected = 130 if kill.signal == "INT" else by_signal
    assert killed.returncode == expected, killed.stderr
    resume = ["--resume"] if kill.command in ("sft", "rft", "rl") else []
    run(CLI + command + resume)
    for output in kill.outputs:
        written = content(tmp_path / output)
        assert written == content(uninterrupted / output)
