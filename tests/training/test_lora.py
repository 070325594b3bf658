"""LoRA: parameter counts, the size budget, checkpointing, presets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from unitconv.training.config import (
    TrainingError,
    TrainingSettings,
    pick_hardware_preset,
)
from unitconv.training.lora import add_lora, check_budget, lora_parameters

SETTINGS = TrainingSettings(
    rank=4,
    alpha=8,
    dropout=0.0,
    epochs=3,
    batch_size=8,
    learning_rate=1e-2,
    max_adapter_mb=50.0,
)


def test_an_adapter_over_the_limit_is_refused_with_advice(
    make_model: Callable[..., Any],
) -> None:
    model = make_model()
    size = lora_parameters(model, 1) * 4 / 1e6
    asked = replace(SETTINGS, rank=8, alpha=16)
    check_budget(model, replace(asked, max_adapter_mb=9 * size))
    with pytest.raises(TrainingError, match="Take rank 3 or less"):
        check_budget(model, replace(asked, max_adapter_mb=3.5 * size))
    with pytest.raises(TrainingError, match="Not even rank 1"):
        check_budget(model, replace(asked, max_adapter_mb=0.5 * size))


def test_peft_adds_as_many_float32_parameters_as_counted(
    make_model: Callable[..., Any],
) -> None:
    model = make_model().bfloat16()
    expected = lora_parameters(model, SETTINGS.rank)
    wrapped = add_lora(model, SETTINGS)
    learned = [p for p in wrapped.parameters() if p.requires_grad]
    assert sum(p.numel() for p in learned) == expected
    assert {p.dtype for p in learned} == {torch.float32}


def test_checkpointing_gives_the_same_gradients(
    make_model: Callable[..., Any],
) -> None:
    ids = torch.arange(1, 20)[None]
    gradients = []
    for checkpointing in (False, True):
        settings = replace(SETTINGS, gradient_checkpointing=checkpointing)
        model = add_lora(make_model(), settings).train()
        model(input_ids=ids, labels=ids).loss.backward()
        named = model.named_parameters()
        gradients.append({n: p.grad for n, p in named if p.requires_grad})
    plain, recomputed = gradients
    assert plain
    torch.testing.assert_close(recomputed, plain, atol=1e-6, rtol=1e-5)


def test_the_preset_follows_the_accelerator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pick_hardware_preset(torch.device("cpu")).name == "cpu"
    for capability, name in ((7, "t4"), (8, "ampere"), (9, "ampere")):
        monkeypatch.setattr(
            torch.cuda,
            "get_device_capability",
            lambda _, major=capability: (major, 0),
        )
        assert pick_hardware_preset(torch.device("cuda")).name == name
