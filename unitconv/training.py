"""LoRA fine-tuning: a few small matrices learn, the base stays as it is.

Hu et al. 2021, arXiv:2106.09685: the update of a weight matrix is written
as the product of two thin ones, `B A`, and only those are trained. PEFT
puts them into every linear layer, Hugging Face's `Trainer` trains them.
SFT and RFT differ in their rows alone (see `unitconv.labels`).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from unitconv.files import write_json
from unitconv.labels import Row, collate
from unitconv.model import has_fast_bf16


class TrainingError(ValueError):
    """A training that should not start: too large, no rows, other run."""


@dataclass(frozen=True)
class TrainingSettings:
    """How an adapter is trained; every default was measured (chapter 7)."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    learning_rate: float = 3e-3
    epochs: int = 6
    batch_size: int = 32
    warmup_share: float = 0.06
    max_grad_norm: float = 1.0
    seed: int = 0
    # Recompute activations in the backward pass: less memory, more time.
    gradient_checkpointing: bool = False
    # Stop when `valid` has not improved for so many epochs.
    patience: int = 3
    # Refuse an adapter whose file would be larger, in MB.
    max_adapter_mb: float = 50.0


@dataclass(frozen=True)
class TrainingResult:
    """What a training did; the adapter lies in its folder."""

    folder: Path
    n_rows: int
    n_trainable: int
    seconds: float
    epochs: float
    losses: list[tuple[float, float]]  # (epoch, nats a token)
    valid_losses: list[tuple[float, float]]


def lora_parameters(model: nn.Module, rank: int) -> int:
    """How many parameters LoRA adds to all linear layers but the output.

    A layer of shape [out, in] gets `A` [rank, in] and `B` [out, rank].
    """
    return sum(
        rank * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.endswith("lm_head")
    )


def check_budget(model: nn.Module, settings: TrainingSettings) -> None:
    """Refuse an adapter that would be too large, before any training.

    Raises:
        TrainingError: says the size, and the rank that would fit.
    """
    parameters = lora_parameters(model, settings.rank)
    megabytes = parameters * 4 / 1e6
    if megabytes > settings.max_adapter_mb:
        fits = int(settings.max_adapter_mb / (megabytes / settings.rank))
        raise TrainingError(
            f"an adapter of rank {settings.rank} has {parameters:,} "
            f"parameters, {megabytes:.1f} MB: more than the "
            f"{settings.max_adapter_mb:g} MB allowed. "
            + (
                f"Take rank {fits} or less, or raise the limit"
                if fits
                else "Not even rank 1 fits: raise the limit"
            )
        )


def add_lora(model: Any, settings: TrainingSettings) -> Any:
    """`model` with LoRA matrices in every linear layer, trained in fp32."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(settings.seed)
    wrapped = get_peft_model(model, config)
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if settings.gradient_checkpointing:
        wrapped.gradient_checkpointing_enable({"use_reentrant": False})
        # Else the first checkpoint's input carries no gradient back.
        wrapped.enable_input_require_grads()
    return wrapped


class RowDataset(Dataset[dict[str, list[int]]]):
    """Rows in the form that `Trainer` can group by length."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        row = self.rows[index]
        return {"input_ids": row.input_ids, "labels": row.labels}


def fine_tune(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    valid_rows: Sequence[Row],
    settings: TrainingSettings,
    folder: Path,
    base: str = "course",
    resume: bool = False,
    callbacks: Sequence[Any] = (),
) -> TrainingResult:
    """Train an adapter on `rows` and leave it, alone, in `folder`.

    The epoch with the lowest loss on `valid_rows` is kept.

    Args:
        base: the base model's name, for the adapter's own record.

    Raises:
        TrainingError: no rows, too large an adapter, nothing to resume.
    """
    if not rows or not valid_rows:
        raise TrainingError("there are no rows to train or validate on")
    check_budget(model, settings)
    checkpoints = folder / "checkpoints"
    if resume and not any(checkpoints.glob("checkpoint-*")):
        raise TrainingError(
            f"no checkpoint in {checkpoints}: start without --resume"
        )
    _check_settings(folder, settings, rows, resume)
    wrapped = add_lora(model, settings)
    trainer = _trainer(
        wrapped, tokenizer, rows, valid_rows, settings, checkpoints
    )
    for callback in callbacks:
        trainer.add_callback(callback)
    start = time.perf_counter()
    trainer.train(resume_from_checkpoint=resume or None)
    seconds = time.perf_counter() - start
    if trainer.is_world_process_zero():
        # By its name: a path of this machine means nothing elsewhere.
        wrapped.peft_config["default"].base_model_name_or_path = base
        wrapped.save_pretrained(folder, save_embedding_layers=False)
    history = trainer.state.log_history
    return TrainingResult(
        folder,
        len(rows),
        sum(p.numel() for p in wrapped.parameters() if p.requires_grad),
        seconds,
        float(trainer.state.epoch or 0),
        [(h["epoch"], h["loss"]) for h in history if "loss" in h],
        [(h["epoch"], h["eval_loss"]) for h in history if "eval_loss" in h],
    )


def _check_settings(
    folder: Path,
    settings: TrainingSettings,
    rows: Sequence[Row],
    resume: bool,
) -> None:
    """A run that resumes must be the run that was begun."""
    path = folder / "run.json"
    run = asdict(settings) | {"n_rows": len(rows), "rows": _digest(rows)}
    if resume:
        before = json.loads(path.read_text())
        changed = sorted(k for k in run if before.get(k) != run[k])
        if changed:
            raise TrainingError(
                f"{folder} was begun with other settings "
                f"({', '.join(changed)}): resume with the same ones"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(run, path)


def _digest(rows: Sequence[Row]) -> str:
    import hashlib

    text = json.dumps([(row.input_ids, row.labels) for row in rows])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _trainer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    valid_rows: Sequence[Row],
    settings: TrainingSettings,
    checkpoints: Path,
) -> Any:
    from transformers import (
        EarlyStoppingCallback,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    device = next(model.parameters()).device
    bf16 = has_fast_bf16(device)
    steps = math.ceil(len(rows) / settings.batch_size)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=2 * settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_share,
        weight_decay=0.0,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        data_seed=settings.seed,
        train_sampling_strategy="group_by_length",
        use_cpu=device.type == "cpu",
        bf16=bf16,
        fp16=device.type == "cuda" and not bf16,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=max(1, steps // 8),
        report_to="tensorboard",
        disable_tqdm=True,
        remove_unused_columns=False,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
    )
    pad = tokenizer.pad_token_id
    pad = tokenizer.eos_token_id if pad is None else pad

    def collator(features: list[dict[str, list[int]]]) -> Any:
        return collate([Row(**feature) for feature in features], pad)

    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=RowDataset(rows),
        eval_dataset=RowDataset(valid_rows),
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(settings.patience)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
