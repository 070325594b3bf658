"""LoRA fine-tuning in plain PyTorch: the loop that chapter 8 builds.

Given the same batches it takes the steps of Hugging Face's `Trainer`, which
the commands use for its checkpoints and mixed precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import LengthGroupedSampler

from unitconv.training.config import TrainingError, TrainingSettings
from unitconv.training.examples import (
    IGNORE_INDEX,
    TrainingExample,
    collate,
)


@dataclass
class History:
    """Losses in nats per supervised token."""

    step_losses: list[float] = field(default_factory=list)
    #: Measured after each epoch.
    valid_losses: list[float] = field(default_factory=list)


def shuffled_batches(
    examples: Sequence[TrainingExample],
    batch_size: int,
    pad_token_id: int,
    seed: int,
) -> Iterator[dict[str, Tensor]]:
    """Yield one epoch of padded batches in an order drawn from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(examples), generator=generator).tolist()
    for start in range(0, len(order), batch_size):
        chosen = [examples[i] for i in order[start : start + batch_size]]
        yield collate(chosen, pad_token_id)


class ShuffledBatches(Sampler[int]):
    """Rows in batches of similar length, the batches in random order.

    A last batch that is not full stays last.
    """

    def __init__(self, grouped: LengthGroupedSampler) -> None:
        self.grouped = grouped

    def __len__(self) -> int:
        return len(self.grouped)

    def __iter__(self) -> Iterator[int]:
        rows, size = list(self.grouped), self.grouped.batch_size
        n_full = len(rows) // size
        for number in [*torch.randperm(n_full).tolist(), n_full]:
            yield from rows[number * size : (number + 1) * size]


def batch_logits(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Compute the logits of a batch from `collate`, [rows, length, vocab].

    The logits at position t predict the token at position t + 1.
    """
    device = next(model.parameters()).device
    output = model(
        input_ids=batch["input_ids"].to(device),
        attention_mask=batch["attention_mask"].to(device),
        use_cache=False,
    )
    return cast("Tensor", output.logits)


def masked_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Compute the mean cross-entropy over a batch's supervised tokens."""
    logits = batch_logits(model, batch)
    predictions = logits[:, :-1].float().flatten(0, 1)
    targets = batch["labels"][:, 1:].flatten().to(logits.device)
    return F.cross_entropy(predictions, targets, ignore_index=IGNORE_INDEX)


def lr_scale(step: int, n_steps: int, n_warmup: int) -> float:
    """Return the learning-rate factor.

    Linear warm-up to 1, then cosine decay to 0.
    """
    if step < n_warmup:
        return step / n_warmup
    progress = (step - n_warmup) / max(1, n_steps - n_warmup)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@torch.no_grad()
def validation_loss(
    model: nn.Module,
    examples: Sequence[TrainingExample],
    batch_size: int,
    pad_token_id: int,
) -> float:
    """Compute the loss over all supervised tokens of `examples`."""
    model.eval()
    total = 0.0
    for start in range(0, len(examples), batch_size):
        chosen = examples[start : start + batch_size]
        loss = masked_loss(model, collate(chosen, pad_token_id))
        total += loss.item() * sum(e.n_supervised for e in chosen)
    return total / sum(e.n_supervised for e in examples)


def train(
    model: nn.Module,
    examples: Sequence[TrainingExample],
    valid_examples: Sequence[TrainingExample],
    settings: TrainingSettings,
    pad_token_id: int,
) -> History:
    """Train the parameters of `model` that require gradients.

    Raises:
        TrainingError: no examples, or a model in float16, whose small
            gradients become zero without loss scaling.
    """
    if not examples or not valid_examples:
        raise TrainingError("there are no examples to train or validate on")
    if any(p.dtype == torch.float16 for p in model.parameters()):
        raise TrainingError(
            "this loop does not scale its loss as float16 needs: load the "
            "model in float32 or bfloat16, or train with `unitconv sft`"
        )
    size = settings.batch_size
    n_steps = settings.epochs * math.ceil(len(examples) / size)
    n_warmup = math.ceil(settings.warmup_share * n_steps)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trainable, lr=settings.learning_rate, weight_decay=0.0
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: lr_scale(step, n_steps, n_warmup)
    )
    history = History()
    for epoch in range(settings.epochs):
        model.train()
        for batch in shuffled_batches(
            examples, size, pad_token_id, seed=settings.seed + epoch
        ):
            loss = masked_loss(model, batch)
            loss.backward()
            nn.utils.clip_grad_norm_(trainable, settings.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            history.step_losses.append(loss.item())
        history.valid_losses.append(
            validation_loss(model, valid_examples, size, pad_token_id)
        )
    return history
