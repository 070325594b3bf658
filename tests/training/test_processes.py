"""Real processes: one `kill -9` a command, and two that share the work.

Faults at every named point are in `test_trainer` and `test_rollouts`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from unitconv.inference.load import ADAPTER_WEIGHTS
from unitconv.task.dataset import load_split
from unitconv.training.rollouts import CHUNK_SIZE

pytestmark = pytest.mark.slow

TIMEOUT = 240
# Gloo must not look for another machine.
LOCAL = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
CLI = [sys.executable, "-m", "unitconv.cli"]

Command = Callable[[Path], list[str]]


def run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=LOCAL,
    )
    assert done.returncode == 0, done.stderr


def kill_when(begun: Callable[[], bool], command: list[str]) -> None:
    """Start a command and kill it as soon as it has begun its work."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=LOCAL,
    )
    deadline = time.monotonic() + TIMEOUT
    while not begun():
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()


def two_processes() -> list[str]:
    """Return an `accelerate launch` on this machine's loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        *[sys.executable, "-m", "accelerate.commands.launch", "--cpu"],
        *["--num_machines=1", "--num_processes=2", "--mixed_precision=no"],
        *["--dynamo_backend=no", "--main_process_ip=127.0.0.1"],
        *[f"--main_process_port={port}", "-m", "unitconv.cli"],
    ]


@pytest.fixture(scope="module")
def inputs(
    model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """A tiny model, and questions for three chunks and a part of one."""
    data = tmp_path_factory.mktemp("data") / "questions.json"
    questions = load_split("train")[: 3 * CHUNK_SIZE + 5]
    data.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    return [f"--model={model_folder}", f"--data={data}", "--device=cpu"]


@pytest.fixture(scope="module")
def rollouts(inputs: list[str]) -> Command:
    options = ["--prompt=raw", "--samples=2"]
    return lambda to: ["rollouts", *inputs, *options, f"--output={to}"]


@pytest.fixture(scope="module")
def sft(inputs: list[str]) -> Command:
    """SFT on so many examples that every batch is full."""
    valid = inputs[1].replace("--data", "--valid")
    options = ["--limit=96", "--epochs=3", "--rank=4", "--batch-size=16"]
    return lambda to: ["sft", *inputs, valid, *options, f"--output={to}"]


@pytest.fixture(scope="module")
def uninterrupted(
    rollouts: Command,
    sft: Command,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the outputs of both commands in one process each."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(CLI + rollouts(folder / "rft.json"))
    run(CLI + sft(folder / "sft"))
    return folder


def same_rollouts(folder: Path, other: Path) -> bool:
    return all(
        (folder / name).read_bytes() == (other / name).read_bytes()
        for name in ("rft.json", "rft.jsonl")
    )


def test_killed_rollouts_resume_to_the_same_bytes(
    rollouts: Command, uninterrupted: Path, tmp_path: Path
) -> None:
    record = tmp_path / "rft.jsonl"

    def begun() -> bool:
        return record.exists() and record.read_bytes().count(b"\n") > 1

    kill_when(begun, CLI + rollouts(tmp_path / "rft.json"))
    run(CLI + rollouts(tmp_path / "rft.json"))
    assert same_rollouts(tmp_path, uninterrupted)


def test_rollouts_of_two_processes_are_the_bytes_of_one(
    rollouts: Command, uninterrupted: Path, tmp_path: Path
) -> None:
    run(two_processes() + rollouts(tmp_path / "rft.json"))
    assert same_rollouts(tmp_path, uninterrupted)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"rft.json", "rft.jsonl"}


def test_a_killed_training_resumes_to_the_same_bytes(
    sft: Command, uninterrupted: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sft"

    def begun() -> bool:
        return any(folder.glob("checkpoints/*/trainer_state.json"))

    kill_when(begun, CLI + sft(folder))
    run([*CLI, *sft(folder), "--resume"])
    expected = uninterrupted / "sft" / ADAPTER_WEIGHTS
    assert (folder / ADAPTER_WEIGHTS).read_bytes() == expected.read_bytes()


def test_two_processes_train_nearly_the_weights_of_one(
    sft: Command, uninterrupted: Path, tmp_path: Path
) -> None:
    run(two_processes() + sft(tmp_path / "sft"))
    # Each pads its examples alone, and sums are rounded differently.
    weights = load_file(tmp_path / "sft" / ADAPTER_WEIGHTS)
    expected = load_file(uninterrupted / "sft" / ADAPTER_WEIGHTS)
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        error = (weights[name] - value).abs().max() / value.abs().max()
        assert error <= 0.05, name
