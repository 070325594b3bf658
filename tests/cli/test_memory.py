"""Peak memory of whole commands, in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from experiments.robustness.memory import COMMANDS, GROWING, peak_megabytes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="reads Linux' numbers"
    ),
]

LIMIT = 1000.0  # MB, of a command with the course model
GROWTH = 0.008  # MB a question; all prompts at once took 0.03
FEW, MANY = 512, 3072


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_less_than_a_gigabyte(command: str) -> None:
    assert peak_megabytes(command) < LIMIT


@pytest.mark.parametrize("command", GROWING)
def test_memory_does_not_grow_with_the_questions(
    command: str, model_folder: Path
) -> None:
    tiny = (
        f"{command} --data asked.json --prompt raw --model {model_folder}"
    )
    few, many = (peak_megabytes(tiny, count) for count in (FEW, MANY))
    assert many - few < GROWTH * (MANY - FEW)
