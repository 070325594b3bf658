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
from unitconv.training.lora import add_lora, fit_budget, lora_parameters

SETTINGS = TrainingSettings(
    rank=4,
    alpha=8,
    dropout=0.0,
    epochs=3,
    batch_size=8,
    learning_rate=1e-2,
    max_adapter_mb=50.0,
)


def test_a_rank_from_the_preset_is_lowered_to_fit(
    make_model: Callable[..., Any],
) -> None:
    model = make_model()
    size = lora_parameters(model, 1) * 4 / 1e6
    asked = replace(SETTINGS, rank=8, alpha=16, max_adapter_mb=3.5 * size)
    fitted = fit_budget(model, replace(asked, lower_rank=True))
    assert (fitted.rank, fitted.alpha) == (3, 6)
    roomy = replace(asked, lower_rank=True, max_adapter_mb=9 * size)
    assert fit_budget(model, roomy) == roomy
    with pytest.raises(TrainingError, match="Take rank 3 or less"):
        fit_budget(model, asked)
    none = replace(asked, lower_rank=True, max_adapter_mb=0.5 * size)
    with pytest.raises(TrainingError, match="Not even rank 1"):
        fit_budget(model, none)


def test_peft_adds_as_many_parameters_as_counted(
    make_model: Callable[..., Any],
) -> None:
    model = make_model()
    expected = lora_parameters(model, 4)
    trainable, _ = add_lora(model, SETTINGS).get_nb_trainable_parameters()
    assert trainable == expected


def test_checkpointing_gives_the_same_gradients(
    make_model: Callable[..., Any],
) -> None:
    ids = torch.arange(1, 20)[None]
    gradients = []
    for checkpointing in (False, True):
        settings = replace(SETTINGS, gradient_checkpointing=checkpointing)
        model = add_lora(make_model(), settings).train()
        model(input_ids=ids, labels=ids).loss.backward()
        gradients.append(
            {
                name: parameter.grad
                for name, parameter in model.named_parameters()
                if parameter.requires_grad
            }
        )
    plain, recomputed = gradients
    assert plain.keys() == recomputed.keys()
    for name, gradient in plain.items():
        assert gradient is not None
        assert torch.allclose(gradient, recomputed[name], atol=1e-6), name


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
