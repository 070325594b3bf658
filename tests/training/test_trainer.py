"""LoRA really trains, alone, and an interruption changes nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from unitconv.inference.load import load_adapter
from unitconv.task.dataset import load_split
from unitconv.training.config import TrainingError, TrainingSettings
from unitconv.training.examples import TrainingExample, sft_examples
from unitconv.training.lora import add_lora, fit_budget, lora_parameters
from unitconv.training.trainer import fine_tune

SETTINGS = TrainingSettings(
    rank=4,
    alpha=8,
    dropout=0.0,
    epochs=3,
    batch_size=8,
    learning_rate=1e-2,
    max_adapter_mb=50.0,
)


@pytest.fixture(scope="module")
def rows(byte_tokenizer: Any) -> list[TrainingExample]:
    return sft_examples(load_split("train")[:24], byte_tokenizer)


@pytest.fixture(scope="module")
def valid_rows(byte_tokenizer: Any) -> list[TrainingExample]:
    return sft_examples(load_split("valid")[:8], byte_tokenizer)


@pytest.fixture
def logits() -> Callable[[Any], torch.Tensor]:
    def run(model: Any) -> torch.Tensor:
        ids = torch.arange(1, 20)[None]
        with torch.inference_mode():
            found: torch.Tensor = model.eval()(ids).logits
        return found

    return run


def test_only_the_adapter_learns(
    make_model: Callable[..., Any],
    byte_tokenizer: Any,
    rows: list[TrainingExample],
    valid_rows: list[TrainingExample],
    logits: Callable[[Any], torch.Tensor],
    tmp_path: Path,
) -> None:
    base, twin = make_model(), make_model()
    before = {n: p.clone() for n, p in base.named_parameters()}
    result = fine_tune(
        base, byte_tokenizer, rows, valid_rows, SETTINGS, tmp_path
    )
    assert result.losses[-1][1] < result.losses[0][1]
    assert result.n_trainable == lora_parameters(twin, SETTINGS.rank)
    learned = dict(base.named_parameters())
    frozen = 0
    for name, value in before.items():
        layer, _, leaf = name.rpartition(".")
        kept = learned.get(name, learned.get(f"{layer}.base_layer.{leaf}"))
        assert kept is not None, name
        assert torch.equal(kept, value), name
        frozen += 1
    assert frozen == len(before)
    b = [p for n, p in base.named_parameters() if "lora_B" in n]
    assert b
    assert all(p.abs().max() > 0 for p in b)
    assert {p.dtype for p in b} == {torch.float32}

    loaded = load_adapter(twin, tmp_path)
    assert torch.allclose(logits(loaded), logits(base), atol=1e-6)
    files = {p.name for p in tmp_path.iterdir()}
    assert "adapter_model.safetensors" in files
    merged = logits(loaded.merge_and_unload())
    assert torch.allclose(merged, logits(base), atol=1e-4)


class StopAfter(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(
        self, args: Any, state: Any, *_: Any, **__: Any
    ) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


def test_a_resumed_training_is_the_same_training(
    make_model: Callable[..., Any],
    byte_tokenizer: Any,
    rows: list[TrainingExample],
    valid_rows: list[TrainingExample],
    tmp_path: Path,
) -> None:
    data = byte_tokenizer, rows, valid_rows, SETTINGS
    whole, cut = make_model(), make_model()
    straight = fine_tune(whole, *data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fine_tune(cut, *data, tmp_path / "cut", callbacks=[StopAfter(5)])
    resumed = make_model()
    again = fine_tune(resumed, *data, tmp_path / "cut", resume=True)
    assert again.valid_losses == straight.valid_losses
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_other_settings_do_not_resume(
    make_model: Callable[..., Any],
    byte_tokenizer: Any,
    rows: list[TrainingExample],
    valid_rows: list[TrainingExample],
    tmp_path: Path,
) -> None:
    data = byte_tokenizer, rows, valid_rows
    with pytest.raises(TrainingError, match="start without --resume"):
        fine_tune(make_model(), *data, SETTINGS, tmp_path, resume=True)
    one = replace(SETTINGS, epochs=1)
    fine_tune(make_model(), *data, one, tmp_path)
    with pytest.raises(TrainingError, match="epochs"):
        fine_tune(make_model(), *data, SETTINGS, tmp_path, resume=True)
    fewer = byte_tokenizer, rows[1:], valid_rows
    with pytest.raises(TrainingError, match="n_rows, rows"):
        fine_tune(make_model(), *fewer, one, tmp_path, resume=True)


def test_too_large_an_adapter_is_refused_before_training(
    make_model: Callable[..., Any],
    byte_tokenizer: Any,
    rows: list[TrainingExample],
    tmp_path: Path,
) -> None:
    model = make_model()
    size = lora_parameters(model, 1) * 4 / 1e6
    tight = replace(SETTINGS, rank=8, max_adapter_mb=3.5 * size)
    with pytest.raises(TrainingError, match="Take rank 3 or less"):
        fine_tune(model, byte_tokenizer, rows, rows, tight, tmp_path)
    none = replace(SETTINGS, max_adapter_mb=0.5 * size)
    with pytest.raises(TrainingError, match="Not even rank 1"):
        fine_tune(model, byte_tokenizer, rows, rows, none, tmp_path)
    with pytest.raises(TrainingError, match="no rows"):
        fine_tune(model, byte_tokenizer, [], rows, SETTINGS, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_rank_that_nobody_asked_for_is_lowered_to_fit(
    make_model: Callable[..., Any],
) -> None:
    model = make_model()
    size = lora_parameters(model, 1) * 4 / 1e6
    asked = replace(SETTINGS, rank=8, alpha=16, max_adapter_mb=3.5 * size)
    fitted = fit_budget(model, replace(asked, lower_rank=True))
    assert (fitted.rank, fitted.alpha) == (3, 6)
    roomy = replace(asked, lower_rank=True, max_adapter_mb=9 * size)
    assert fit_budget(model, roomy) == roomy
    for refused in (
        asked,
        replace(asked, lower_rank=True, max_adapter_mb=0.5 * size),
    ):
        with pytest.raises(TrainingError):
            fit_budget(model, refused)


def test_parameters_are_those_that_peft_adds(
    make_model: Callable[..., Any],
) -> None:
    model = make_model()
    expected = lora_parameters(model, 4)
    wrapped = add_lora(model, SETTINGS)
    added = [p for p in wrapped.parameters() if p.requires_grad]
    assert sum(p.numel() for p in added) == expected


def test_checkpointing_gives_the_same_gradients(
    make_model: Callable[..., Any], rows: list[TrainingExample]
) -> None:
    found = []
    for checkpointing in (False, True):
        settings = replace(SETTINGS, gradient_checkpointing=checkpointing)
        model = add_lora(make_model(), settings).train()
        row = rows[0]
        loss = model(
            input_ids=torch.tensor([row.input_ids]),
            labels=torch.tensor([row.labels]),
        ).loss
        loss.backward()
        found.append(
            {
                n: p.grad
                for n, p in model.named_parameters()
                if p.requires_grad
            }
        )
    plain, recomputed = found
    assert plain.keys() == recomputed.keys()
    for name, gradient in plain.items():
        assert gradient is not None
        assert torch.allclose(gradient, recomputed[name], atol=1e-6), name


def test_advice_that_nobody_can_follow_is_not_shown(
    make_model: Callable[..., Any],
) -> None:
    settings = replace(SETTINGS, gradient_checkpointing=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        add_lora(make_model(), settings)
