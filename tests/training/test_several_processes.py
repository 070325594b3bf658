"""Several processes share the work, and one of them dies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from safetensors.torch import load_file

from scripts.move_repository import ROOT
from tests.processes import (
    APPEND,
    LOCAL,
    REPORT,
    RL_WEIGHTS,
    ROLLOUTS,
    TIMEOUT,
    WEIGHTS,
    Arguments,
    content,
    free_port,
    launcher,
    run_several,
)
from unitconv.training.rl.pipeline import RECORD
from unitconv.training.rl.rollout import read_groups

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(1, marks=pytest.mark.long),
        2,
        pytest.param(4, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize(
    ("name", "outputs"), [("rollouts", ROLLOUTS), ("evaluate", [REPORT])]
)
def test_several_processes_write_the_bytes_of_one(
    arguments: Arguments,
    uninterrupted: Path,
    tmp_path: Path,
    name: str,
    outputs: list[str],
    count: int,
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    run_several(count, arguments(name, folder), tmp_path / "logs")
    assert {path.name for path in folder.iterdir()} == set(outputs)
    for output in outputs:
        assert content(folder / output) == content(uninterrupted / output)


def dies(command: list[str], point: str) -> list[str]:
    """Return a command that kills itself in the second process."""
    return ["-m", "tests.kill_at", point, "2", "KILL", *command]


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "point", "outputs"),
    [
        ("rollouts", APPEND, ROLLOUTS),
        ("sft", "transformers:Trainer._save_checkpoint", [WEIGHTS]),
    ],
)
def test_one_of_two_processes_dies(
    arguments: Arguments,
    tmp_path: Path,
    name: str,
    point: str,
    outputs: list[str],
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    run_several(2, arguments(name, whole), tmp_path / "logs")
    command = arguments(name, broken)
    stopped = subprocess.run(
        [*launcher(), "--nproc_per_node=2", *dies(command, point)],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=LOCAL | {"KILL_RANK": "1"},
        cwd=ROOT,
    )
    assert stopped.returncode == 1
    assert "unitconv: process 0 of 2" in stopped.stderr
    assert "this is a bug" not in stopped.stderr
    resume = ["--resume"] if name == "sft" else []
    run_several(2, command + resume, tmp_path / "again")
    for output in outputs:
        assert content(broken / output) == content(whole / output)


@pytest.mark.long
def test_the_process_on_another_machine_dies(
    arguments: Arguments, tmp_path: Path
) -> None:
    """No launcher stops the first process: it has to notice by itself."""
    port = free_port()
    command = dies(
        arguments("sft", tmp_path), "transformers:Trainer._save_checkpoint"
    )
    first, second = (
        subprocess.Popen(
            [*launcher(rank, 2, port), "--nproc_per_node=1", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=LOCAL | {"KILL_RANK": "1"},
            cwd=ROOT,
        )
        for rank in range(2)
    )
    _, error = first.communicate(timeout=TIMEOUT)
    second.communicate(timeout=TIMEOUT)
    assert "unitconv: process 0 of 2 lost another one" in error
    assert "this is a bug" not in error


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
    run_several(2, arguments(name, tmp_path), tmp_path / "logs")
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
    run_several(2, arguments("rl", tmp_path), tmp_path / "logs")
    # Before the first update the models are equal to the bit.
    first, expected = (
        [g for g in read_groups(folder / "rl" / RECORD) if g.step == 0]
        for folder in (tmp_path, uninterrupted)
    )
    assert first == expected
    assert any(group.mixed for group in first)
