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
    inputs = [f"--model={model_folder}", f"--data={data}", "--device=cpu"]
    options = {
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
    for name in ("rollouts", "sft", "rl"):
        run(CLI + arguments(name, folder))
    return folder


@pytest.mark.parametrize(
    ("name", "again", "outputs"),
    [("rollouts", [], ROLLOUTS), ("sft", ["--resume"], [WEIGHTS])],
)
def test_a_killed_command_resumes_to_the_same_bytes(
    arguments: Arguments,
    uninterrupted: Path,
    tmp_path: Path,
    name: str,
    again: list[str],
    outputs: list[str],
) -> None:
    command = CLI + arguments(name, tmp_path)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + TIMEOUT
    # Until a chunk of rollouts or a checkpoint of the training is written.
    while not any(tmp_path.glob("sft/checkpoints/*/trainer_state.json")):
        if any(b"\n{" in p.read_bytes() for p in tmp_path.glob("*.jsonl")):
            break
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    run(command + again)
    for output in outputs:
        expected = (uninterrupted / output).read_bytes()
        assert (tmp_path / output).read_bytes() == expected


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
