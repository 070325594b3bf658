"""The plain PyTorch loop, against `Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler

from unitconv.task.dataset import load_split
from unitconv.training import loop, trainer
from unitconv.training.config import (
    TrainingError,
    TrainingRun,
    TrainingSettings,
)
from unitconv.training.examples import (
    IGNORE_INDEX,
    TrainingExample,
    collate,
    sft_examples,
)
from unitconv.training.loop import ShuffledBatches
from unitconv.training.lora import add_lora

SETTINGS = TrainingSettings(
    rank=4,
    alpha=8,
    dropout=0.0,
    epochs=3,
    batch_size=8,
    learning_rate=1e-2,
    max_adapter_mb=50.0,
)
PAD = 1


@pytest.fixture(scope="module")
def examples(byte_tokenizer: Any) -> list[TrainingExample]:
    return sft_examples(load_split("train")[:21], byte_tokenizer)


@pytest.fixture(scope="module")
def valid(byte_tokenizer: Any) -> list[TrainingExample]:
    return sft_examples(load_split("valid")[:12], byte_tokenizer)


def test_loop_and_trainer_take_the_same_steps_on_the_same_batches(
    make_model: Callable[..., Any],
    byte_tokenizer: Any,
    examples: list[TrainingExample],
    valid: list[TrainingExample],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer, "has_fast_bf16", lambda device: False)
    batches, losses = [], []
    step = Trainer.training_step

    def recorded(self: Any, model: Any, inputs: Any, *more: Any) -> Any:
        batches.append(dict(inputs))
        loss = step(self, model, inputs, *more)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(Trainer, "training_step", recorded)
    by_trainer = make_model()
    result = trainer.fine_tune(
        by_trainer,
        byte_tokenizer,
        trainer.TrainingData(examples, valid),
        SETTINGS,
        TrainingRun(tmp_path),
    )
    assert len(losses) == 9
    valid_losses = [value for _, value in result.valid_losses]
    # The last epoch must be the best, whose weights are loaded.
    assert valid_losses == sorted(valid_losses, reverse=True)

    replayed = iter(batches)
    monkeypatch.setattr(
        loop,
        "shuffled_batches",
        lambda *_, **__: [next(replayed) for _ in range(3)],
    )
    by_loop = make_model()
    by_loop.set_attn_implementation("eager")
    wrapped = add_lora(by_loop, SETTINGS)
    history = loop.train(wrapped, examples, valid, SETTINGS, PAD)
    assert history.step_losses == pytest.approx(losses, rel=1e-5)
    assert history.valid_losses == pytest.approx(valid_losses, rel=1e-5)
    expected = dict(by_trainer.named_parameters())
    for name, parameter in by_loop.named_parameters():
        assert torch.allclose(parameter, expected[name], atol=1e-5), name


def test_the_loss_is_computed_on_the_model_s_device() -> None:
    """On `meta`, a tensor left on the CPU would raise an error."""

    class Bigram(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Embedding(9, 9, device="meta")

        def forward(
            self, input_ids: Any, attention_mask: Any, **_: Any
        ) -> Any:
            assert attention_mask.is_meta
            return SimpleNamespace(logits=self.logits(input_ids))

    batch = collate([TrainingExample([1, 2, 3], [IGNORE_INDEX, 2, 3])], PAD)
    assert loop.masked_loss(Bigram(), batch).is_meta


def test_an_epoch_holds_every_example_once_in_the_order_of_its_seed(
    examples: list[TrainingExample],
) -> None:
    def epoch(seed: int) -> list[list[int]]:
        batches = [*loop.shuffled_batches(examples, 8, PAD, seed)]
        assert [len(batch["labels"]) for batch in batches] == [8, 8, 5]
        rows = [row for batch in batches for row in batch["input_ids"]]
        # An example ends with its first end token, which is the padding.
        return [row[: row.tolist().index(PAD) + 1].tolist() for row in rows]

    assert sorted(epoch(0)) == sorted(e.input_ids for e in examples)
    assert epoch(0) == epoch(0) != epoch(1)


def test_what_the_loop_cannot_train_is_refused(
    make_model: Callable[..., Any], examples: list[TrainingExample]
) -> None:
    one = replace(SETTINGS, epochs=1)
    with pytest.raises(TrainingError, match="no examples"):
        loop.train(make_model(), [], examples, one, PAD)
    with pytest.raises(TrainingError, match="float32 or bfloat16"):
        loop.train(make_model().half(), examples, examples, one, PAD)


def test_batches_of_similar_length_come_in_random_order() -> None:
    lengths = [(37 * i) % 101 for i in range(805)]
    torch.manual_seed(0)
    sampler = ShuffledBatches(LengthGroupedSampler(8, lengths=lengths))
    order = list(sampler)
    assert sorted(order) == list(range(805))
    assert len(sampler) == 805
    batches = [order[i : i + 8] for i in range(0, 805, 8)]
    longest = [max(lengths[i] for i in batch) for batch in batches]
    # Within a batch the rows need far less padding than chosen at random.
    padded = sum(m * len(b) for m, b in zip(longest, batches, strict=True))
    assert padded < 1.1 * sum(lengths)
    falls = sum(a > b for a, b in pairwise(longest))
    assert 30 < falls < 70  # of 100; sorted, nearly all would fall
    assert list(sampler) != order
