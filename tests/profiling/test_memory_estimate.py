"""Memory by shape alone, against real tensors and against formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unitconv.inference.kv_cache import CachePlan, bytes_per_token
from unitconv.inference.llm import LLM
from unitconv.inference.load.model import load_model
from unitconv.profiling.memory_estimate import (
    SMOLLM2,
    decoding_parts,
    saved_bytes,
    shape_only,
    smollm2,
    training_parts,
)
from unitconv.training.config import TrainingSettings
from unitconv.training.lora import add_lora, lora_parameters

# Parameters and LoRA's per rank, from the models' public cards and shapes.
KNOWN = {
    "135M": (134_515_008, 305_280),
    "360M": (361_821_120, 542_720),
    "1.7B": (1_711_376_384, 1_130_496),
}


def settings(rank: int = 4, **changes: Any) -> TrainingSettings:
    options: dict[str, Any] = {
        "rank": rank,
        "dropout": 0.0,
        "learning_rate": 1e-3,
        "epochs": 1,
        "batch_size": 4,
        "max_adapter_mb": 50.0,
    }
    return TrainingSettings(**(options | changes))


def on_cpu() -> Any:
    model, _ = load_model("course", torch.device("cpu"), torch.float32)
    # Meta tensors get the plain attention, which a CPU is trained with too.
    model.set_attn_implementation("eager")
    return model


@pytest.mark.parametrize("size", SMOLLM2)
def test_shapes_have_the_parameters_that_are_published(size: str) -> None:
    model = shape_only(smollm2(size), torch.bfloat16)
    assert next(model.parameters()).is_meta
    assert (model.num_parameters(), lora_parameters(model, 1)) == KNOWN[
        size
    ]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_meta_counts_what_a_cpu_keeps(checkpointing: bool) -> None:
    chosen = settings(gradient_checkpointing=checkpointing)
    real = on_cpu()
    meta = shape_only(real.config, torch.float32)
    meta.set_attn_implementation("eager")
    found = [
        saved_bytes(add_lora(model, chosen), rows=3, length=20)
        for model in (real, meta)
    ]
    assert found[0] == found[1] > 0


def test_activations_grow_with_rows_and_shrink_with_checkpointing() -> None:
    config = on_cpu().config

    def kept(rows: int, checkpointing: bool) -> int:
        chosen = settings(
            batch_size=rows, gradient_checkpointing=checkpointing
        )
        parts = training_parts(config, torch.float32, chosen, 24)
        return parts["activations"]

    # Nearly: the positions are kept once for all rows.
    assert kept(8, False) == pytest.approx(2 * kept(4, False), rel=0.01)
    # All inputs of layers, and the insides of one of six.
    assert kept(8, True) < kept(8, False) / 3


def test_decoding_keeps_the_weights_and_the_plan(course: LLM) -> None:
    config = course.model.config
    per_token = bytes_per_token(config, torch.float32)
    plan = CachePlan(16, 64, 96, per_token)
    parts = decoding_parts(course.model, plan)
    assert parts["weights"] == 4 * course.model.num_parameters()
    assert parts["KV cache"] == (16 * 64 + 96) * per_token
