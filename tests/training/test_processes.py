"""Real processes: killed at any moment, or several that work as one."""

from __future__ import annotations

import json
import os
import random
import signal
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
from unitconv.training.rollouts import CHUNK_SIZE, shard_path

TIMEOUT = 240
# Gloo must not look for another machine.
LOCAL = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
CLI = [sys.executable, "-m", "unitconv.cli"]


def run(*command: str) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=LOCAL,
    )
    assert done.returncode == 0, done.stderr


def two_processes() -> list[str]:
    """`accelerate launch`, on this machine's loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    module = "accelerate.commands.launch"
    return [
        *(sys.executable, "-m", module, "--cpu", "--num_machines", "1"),
        *("--num_processes", "2", "--mixed_precision", "no"),
        *("--dynamo_backend", "no", "--main_process_ip", "127.0.0.1"),
        *("--main_process_port", str(port), "-m", "unitconv.cli"),
    ]


@pytest.fixture(scope="module")
def base(model_folder: Path) -> Path:
    """The tiny model in a folder; see `conftest`."""
    return model_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some questions: three whole chunks, and a part of one."""
    path = tmp_path_factory.mktemp("data") / "questions.json"
    questions = load_split("train")[: 3 * CHUNK_SIZE + 5]
    path.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    return path


@pytest.fixture(scope="module")
def sample(base: Path, data: Path) -> Callable[[Path], list[str]]:
    def arguments(output: Path) -> list[str]:
        return [
            *("rollouts", "--model", str(base), "--data", str(data)),
            *("--prompt", "raw", "--samples", "2", "--device", "cpu"),
            *("--output", str(output)),
        ]

    return arguments


@pytest.fixture(scope="module")
def whole(
    sample: Callable[[Path], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[bytes, bytes]:
    """What one process writes that nobody disturbs."""
    output = tmp_path_factory.mktemp("whole") / "rft.json"
    run(*CLI, *sample(output))
    return both_files(output)


def both_files(output: Path) -> tuple[bytes, bytes]:
    return output.read_bytes(), output.with_suffix(".jsonl").read_bytes()


def test_two_processes_write_the_bytes_of_one(
    sample: Callable[[Path], list[str]],
    whole: tuple[bytes, bytes],
    tmp_path: Path,
) -> None:
    output = tmp_path / "rft.json"
    run(*two_processes(), *sample(output))
    assert both_files(output) == whole
    assert {p.name for p in tmp_path.iterdir()} == {
        "rft.json",
        "rft.jsonl",
    }


def test_two_processes_go_on_where_two_were_killed(
    sample: Callable[[Path], list[str]],
    whole: tuple[bytes, bytes],
    tmp_path: Path,
) -> None:
    """The second's part as it is after a kill in its second line."""
    output = tmp_path / "rft.json"
    head, *lines = whole[1].splitlines(keepends=True)
    record = output.with_suffix(".jsonl")
    for i in range(2):
        first = json.dumps(json.loads(head) | {"shard": i}) + "\n"
        chunk = lines[i * CHUNK_SIZE : (i + 1) * CHUNK_SIZE][
            : CHUNK_SIZE if i == 0 else 1
        ]
        part = first.encode() + b"".join(chunk)
        shard_path(record, (i, 2)).write_bytes(part + b'{"que'[:i])
    run(*two_processes(), *sample(output))
    assert both_files(output) == whole


@pytest.mark.parametrize("seed", range(5))
def test_rollouts_killed_at_a_random_moment(
    sample: Callable[[Path], list[str]],
    whole: tuple[bytes, bytes],
    tmp_path: Path,
    seed: int,
) -> None:
    output = tmp_path / "rft.json"
    record = output.with_suffix(".jsonl")
    wait = random.Random(seed).random() * 0.5
    killed_after(CLI + sample(output), record.exists, wait)
    run(*CLI, *sample(output))
    assert both_files(output) == whole


def killed_after(
    command: list[str], started: Callable[[], bool], seconds: float
) -> None:
    """Start, wait until it works, wait on, and kill it the hard way."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=LOCAL,
    )
    deadline = time.monotonic() + TIMEOUT
    while not started() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


# ----------------------------------------------------------------- training


@pytest.fixture(scope="module")
def train(base: Path, data: Path) -> Callable[..., list[str]]:
    """SFT on so many rows that every batch is full."""

    def arguments(output: Path, *more: str) -> list[str]:
        return [
            *("sft", "--model", str(base), "--data", str(data)),
            *("--valid", str(data), "--limit", "96", "--epochs", "3"),
            *("--rank", "4", "--batch-size", "16", "--device", "cpu"),
            *("--output", str(output), *more),
        ]

    return arguments


@pytest.fixture(scope="module")
def adapter(
    train: Callable[..., list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("adapter") / "sft"
    run(*CLI, *train(folder))
    return weights(folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / ADAPTER_WEIGHTS)


def assert_close(
    found: dict[str, torch.Tensor],
    expected: dict[str, torch.Tensor],
    tolerance: float,
) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        error = (found[name] - value).abs().max() / value.abs().max()
        assert error <= tolerance, name


@pytest.mark.parametrize("seed", range(5))
def test_a_training_killed_at_a_random_moment(
    train: Callable[..., list[str]],
    adapter: dict[str, torch.Tensor],
    tmp_path: Path,
    seed: int,
) -> None:
    folder = tmp_path / "sft"
    checkpoints = folder / "checkpoints"

    def begun() -> bool:
        return any(checkpoints.glob("checkpoint-*/trainer_state.json"))

    wait = random.Random(seed).random() * 0.8
    killed_after(CLI + train(folder), begun, wait)
    run(*CLI, *train(folder, "--resume"))
    assert_close(weights(folder), adapter, 0.0)


def test_two_processes_train_what_one_trains(
    train: Callable[..., list[str]],
    adapter: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "sft"
    run(*two_processes(), *train(folder))
    # Each pads its rows alone, and sums round: nearly the same weights.
    assert_close(weights(folder), adapter, 0.05)
