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
import torch
from safetensors.torch import load_file

from unitconv.inference.load import ADAPTER_WEIGHTS
from unitconv.task.dataset import load_split
from unitconv.training.rollouts import CHUNK_SIZE

pytestmark = pytest.mark.slow

TIMEOUT = 240
# Gloo must not look for another machine.
LOCAL = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
CLI = [sys.executable, "-m", "unitconv.cli"]


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
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions for three complete chunks and a part of one."""
    path = tmp_path_factory.mktemp("data") / "questions.json"
    questions = load_split("train")[: 3 * CHUNK_SIZE + 5]
    path.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    return path


@pytest.fixture(scope="module")
def rollouts(model_folder: Path, data: Path) -> Callable[[Path], list[str]]:
    def command(output: Path) -> list[str]:
        return [
            *["rollouts", f"--model={model_folder}", f"--data={data}"],
            *["--prompt=raw", "--samples=2", "--device=cpu"],
            f"--output={output}",
        ]

    return command


@pytest.fixture(scope="module")
def whole(
    rollouts: Callable[[Path], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[bytes, bytes]:
    """The two files of an uninterrupted run of one process."""
    output = tmp_path_factory.mktemp("whole") / "rft.json"
    run(CLI + rollouts(output))
    return both_files(output)


def both_files(output: Path) -> tuple[bytes, bytes]:
    return output.read_bytes(), output.with_suffix(".jsonl").read_bytes()


def test_killed_rollouts_resume_to_the_same_bytes(
    rollouts: Callable[[Path], list[str]],
    whole: tuple[bytes, bytes],
    tmp_path: Path,
) -> None:
    output = tmp_path / "rft.json"
    record = output.with_suffix(".jsonl")

    def begun() -> bool:
        return record.exists() and record.read_bytes().count(b"\n") > 1

    kill_when(begun, CLI + rollouts(output))
    run(CLI + rollouts(output))
    assert both_files(output) == whole


def test_rollouts_of_two_processes_are_the_bytes_of_one(
    rollouts: Callable[[Path], list[str]],
    whole: tuple[bytes, bytes],
    tmp_path: Path,
) -> None:
    output = tmp_path / "rft.json"
    run(two_processes() + rollouts(output))
    assert both_files(output) == whole
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"rft.json", "rft.jsonl"}


@pytest.fixture(scope="module")
def sft(model_folder: Path, data: Path) -> Callable[[Path], list[str]]:
    """SFT on so many examples that every batch is full."""

    def command(output: Path) -> list[str]:
        return [
            *["sft", f"--model={model_folder}", f"--data={data}"],
            *[f"--valid={data}", "--limit=96", "--epochs=3", "--rank=4"],
            *["--batch-size=16", "--device=cpu", f"--output={output}"],
        ]

    return command


@pytest.fixture(scope="module")
def adapter(
    sft: Callable[[Path], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The weights of an uninterrupted training in one process."""
    folder = tmp_path_factory.mktemp("adapter") / "sft"
    run(CLI + sft(folder))
    return folder / ADAPTER_WEIGHTS


def test_a_killed_training_resumes_to_the_same_bytes(
    sft: Callable[[Path], list[str]], adapter: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sft"

    def begun() -> bool:
        return any(folder.glob("checkpoints/*/trainer_state.json"))

    kill_when(begun, CLI + sft(folder))
    run([*CLI, *sft(folder), "--resume"])
    assert (folder / ADAPTER_WEIGHTS).read_bytes() == adapter.read_bytes()


def test_two_processes_train_nearly_the_weights_of_one(
    sft: Callable[[Path], list[str]], adapter: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sft"
    run(two_processes() + sft(folder))
    # Each pads its examples alone, and sums are rounded differently.
    weights = load_file(folder / ADAPTER_WEIGHTS)
    expected: dict[str, torch.Tensor] = load_file(adapter)
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        error = (weights[name] - value).abs().max() / value.abs().max()
        assert error <= 0.05, name
