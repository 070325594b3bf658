"""Real processes: commands that get a signal, two that share the work.

Faults at more points are in `test_trainer`, `test_rollouts`, `test_rl_run`
and `test_evaluate`; `experiments.robustness` kills at random moments.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.torch import load_file

from scripts.move_repository import ROOT
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS
from unitconv.task.dataset import load_split
from unitconv.training.rl.pipeline import RECORD
from unitconv.training.rl.rollout import read_groups
from unitconv.training.rollouts import CHUNK_SIZE

pytestmark = pytest.mark.slow

TIMEOUT = 240
# Gloo must not look for another machine.
LOCAL = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
CLI = [sys.executable, "-m", "unitconv.cli"]
ROLLOUTS = ["rft.json", "rft.jsonl"]
WEIGHTS = f"sft/{ADAPTER_WEIGHTS}"
REPORT = "report.json"
GGUF = "model.gguf"
# No answer of a random model is right: the best step is that before any.
RL_WEIGHTS = "rl/checkpoints/step-000002/adapter.safetensors"
#: Rewards what a random model writes, too.
REWARD = "def even(graded):\n    return len(graded.text) % 2\n"

#: Returns the arguments of a command with outputs in a folder.
Arguments = Callable[[str, Path], list[str]]


@pytest.fixture(scope="module")
def arguments(
    model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Arguments:
    """A tiny model, and questions for three chunks and a part of one."""
    data = tmp_path_factory.mktemp("data") / "questions.json"
    (data.parent / "parity.py").write_text(REWARD)
    LOCAL["PYTHONPATH"] = os.pathsep.join([*sys.path, str(data.parent)])
    questions = load_split("train")[: 3 * CHUNK_SIZE + 5]
    data.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    many = data.with_name("many.json")
    questions = load_split("train")[:300]
    many.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    inputs = [f"--model={model_folder}", f"--data={data}", "--device=cpu"]
    options = {
        "evaluate": ["--prompt=raw", f"--data={many}", f"--json={REPORT}"],
        "rollouts": ["--prompt=raw", "--samples=2", "--output=rft.json"],
        # So many examples that every batch is full.
        "sft": [
            *[f"--valid={data}", "--limit=96", "--epochs=3", "--rank=4"],
            *["--batch-size=16", "--output=sft"],
        ],
        # Batches of three for two processes: one has less to do.
        "rl": [
            *[f"--valid={data}", "--prompt=raw", "--reward=parity:even"],
            *["--steps=2", "--questions=5", "--samples=4", "--rank=4"],
            *["--batch-size=7", "--output=rl"],
        ],
    }

    def arguments(name: str, folder: Path) -> list[str]:
        if name == "export":  # of the course model
            return [name, f"--output={folder / GGUF}"]
        *rest, output = options[name]
        output = output.replace("=", f"={folder}/")
        return [name, *inputs, *rest, output]

    return arguments


def run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=LOCAL,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def uninterrupted(
    arguments: Arguments, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the outputs of every command in one process."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for name in ("rollouts", "sft", "rl", "evaluate", "export"):
        run(CLI + arguments(name, folder))
    return folder


APPEND = "unitconv.common.files.json_lines:append_lines"


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
        *KILLS[:2],
        *(pytest.param(kill, marks=pytest.mark.long) for kill in KILLS[2:]),
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
    resume = ["--resume"] if kill.command in ("sft", "rl") else []
    run(CLI + command + resume)
    for output in kill.outputs:
        written = content(tmp_path / output)
        assert written == content(uninterrupted / output)


def content(path: Path) -> object:
    """Return a file, but for times and for what depends on them."""
    if path.name != REPORT:
        return path.read_bytes()
    report = json.loads(path.read_text())
    del report["seconds"], report["tokens_per_second"]
    del report["run"]["when"]
    return report


def run_two(arguments: list[str]) -> None:
    """Run `accelerate launch` on this machine's loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run(
        [
            *[sys.executable, "-m", "accelerate.commands.launch", "--cpu"],
            *["--num_machines=1", "--num_processes=2"],
            *["--mixed_precision=no", "--dynamo_backend=no"],
            *["--main_process_ip=127.0.0.1", f"--main_process_port={port}"],
            *["-m", "unitconv.cli", *arguments],
        ]
    )


def test_rollouts_of_two_processes_are_the_bytes_of_one(
    arguments: Arguments, uninterrupted: Path, tmp_path: Path
) -> None:
    run_two(arguments("rollouts", tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == set(ROLLOUTS)
    for name in ROLLOUTS:
        expected = (uninterrupted / name).read_bytes()
        assert (tmp_path / name).read_bytes() == expected


@pytest.mark.parametrize(
    ("name", "weights"), [("sft", WEIGHTS), ("rl", RL_WEIGHTS)]
)
def test_two_processes_train_nearly_the_weights_of_one(
    arguments: Arguments,
    uninterrupted: Path,
    tmp_path: Path,
    name: str,
    weights: str,
) -> None:
    run_two(arguments(name, tmp_path))
    # Each pads its examples alone, and sums are rounded differently.
    found = load_file(tmp_path / weights)
    expected = load_file(uninterrupted / weights)
    assert found.keys() == expected.keys()
    for matrix, value in expected.items():
        error = (found[matrix] - value).abs().max() / value.abs().max()
        assert error <= 0.05, matrix


def test_two_processes_sample_for_rl_what_one_does(
    arguments: Arguments, uninterrupted: Path, tmp_path: Path
) -> None:
    run_two(arguments("rl", tmp_path))
    # Before the first update the models are equal to the bit.
    first, expected = (
        [g for g in read_groups(folder / "rl" / RECORD) if g.step == 0]
        for folder in (tmp_path, uninterrupted)
    )
    assert first == expected
    assert any(group.mixed for group in first)
