"""Peak memory of whole commands, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.robustness.memory import COMMANDS, GROWING, peak_megabytes

pytestmark = [
    pytest.mark.long,
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


#: One layer of SmolLM2's shape decodes to lengths that differ.
MANY_SHAPES = """
import psutil, torch
from transformers import LlamaConfig, LlamaForCausalLM
from unitconv.inference.llm import EngineOptions, generate
from unitconv.inference.reference import Decoding
torch.set_num_threads(1)
shape = LlamaConfig(
    vocab_size=512, hidden_size=576, intermediate_size=1536,
    num_hidden_layers=1, num_attention_heads=9, num_key_value_heads=3,
)
model = LlamaForCausalLM(shape).to(torch.bfloat16).eval()
prompts = [list(range(i, 2 * i + 10)) for i in range(48)]
limits = [60 + i for i in range(48)]
megabytes = []
def observe(forward_pass):
    megabytes.append(psutil.Process().memory_info().rss / 1e6)
options = EngineOptions(slots=16, limits=limits, observe=observe)
generate(model, prompts, lambda ids: False, Decoding(), 1, options)
print(megabytes[-1] - megabytes[30])
"""


def test_bf16_keeps_few_compiled_products() -> None:
    """With the defaults of oneDNN and torch they took 400 MB here."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    growth = subprocess.check_output(
        [sys.executable, "-c", MANY_SHAPES], env=environment, text=True
    )
    assert float(growth) < 100
