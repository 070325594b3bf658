"""Fine-tuning: an adapter learns, the base stays as it is.

Hugging Face's `Trainer` trains what `unitconv.training.lora` has added. SFT
and RFT differ in their rows alone (see `unitconv.training.loss_mask`).

Several processes train as one where `accelerate launch` started them: the
batch of the settings is shared out between them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch.utils.data import Dataset

from unitconv.common import distributed
from unitconv.common.io import write_json
from unitconv.common.run_metadata import run_metadata
from unitconv.inference.load import (
    ADAPTER_WEIGHTS,
    has_fast_bf16,
    without_advice,
)
from unitconv.training.lora import (
    TrainingError,
    TrainingSettings,
    add_lora,
    fit_budget,
)
from unitconv.training.loss_mask import Row, collate

# How good a model is on questions it does not learn from, from 0 to 1.
Score = Callable[[Any], float]


@dataclass(frozen=True)
class TrainingResult:
    """What a training did; the adapter lies in its folder."""

    folder: Path
    n_rows: int
    rank: int
    n_trainable: int
    seconds: float
    epochs: float
    losses: list[tuple[float, float]]  #: (epoch, nats a token)
    valid_losses: list[tuple[float, float]]
    valid_scores: list[tuple[float, float]]  #: empty without a score


class RowDataset(Dataset[dict[str, list[int]]]):
    """Rows in the form that `Trainer` can group by length."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        row = self.rows[index]
        return {"input_ids": row.input_ids, "labels": row.labels}


@without_advice()
def fine_tune(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    valid_rows: Sequence[Row],
    settings: TrainingSettings,
    folder: Path,
    base: str = "course",
    score: Score | None = None,
    resume: bool = False,
    callbacks: Sequence[Any] = (),
) -> TrainingResult:
    """Train an adapter on `rows` and leave it, alone, in `folder`.

    The epoch with the highest score is kept; where there is no score,
    that with the lowest loss on `valid_rows`.

    Args:
        base: the base model's name, for the adapter's own record.
        score: how good the model is, measured after every epoch. The loss
            is a poor guide to that: a model may grow surer of its few
            mistakes, which the loss punishes, while it makes fewer.

    Raises:
        TrainingError: no rows, too large an adapter, nothing to resume.
        OSError: the disk is full; a checkpoint before that is still good.
    """
    if not rows or not valid_rows:
        raise TrainingError("there are no rows to train or validate on")
    settings = fit_budget(model, settings)
    checkpoints = folder / "checkpoints"
    _check_run(folder, settings, rows, resume)
    wrapped = add_lora(model, settings)
    trainer = _trainer(
        wrapped, tokenizer, rows, valid_rows, settings, checkpoints, score
    )
    for callback in callbacks:
        trainer.add_callback(callback)
    start = time.perf_counter()
    last = _last(checkpoints) if resume else None
    with _plain_attention(model), _disk_errors(folder):
        trainer.train(resume_from_checkpoint=last)
        if distributed.is_main_process():
            _save(wrapped, folder, base)
    seconds = time.perf_counter() - start

    def logged(key: str) -> list[tuple[float, float]]:
        history = trainer.state.log_history
        return [(h["epoch"], h[key]) for h in history if key in h]

    return TrainingResult(
        folder,
        len(rows),
        settings.rank,
        sum(p.numel() for p in wrapped.parameters() if p.requires_grad),
        seconds,
        float(trainer.state.epoch or 0),
        logged("loss"),
        logged("eval_loss"),
        logged("eval_score"),
    )


@contextmanager
def _plain_attention(model: Any) -> Iterator[None]:
    """On a CPU the fused kernel's backward pass is the slower one."""
    fused = model.config._attn_implementation
    if next(model.parameters()).device.type == "cpu":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(fused)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """What safetensors says of a full disk, as everybody else says it."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(folder)) from error


def _check_run(
    folder: Path,
    settings: TrainingSettings,
    rows: Sequence[Row],
    resume: bool,
) -> None:
    """A run that resumes must be the one begun; a new one needs room."""
    path = folder / "run.json"
    run = asdict(settings) | {"n_rows": len(rows), "rows": _digest(rows)}
    if not resume:
        if path.exists():
            raise TrainingError(
                f"{folder} holds a training already: go on with --resume, "
                "or give another --output"
            )
        distributed.barrier()  # all have looked before one writes
        folder.mkdir(parents=True, exist_ok=True)
        write_json(run | run_metadata(), path)
        return
    if not path.exists():
        raise TrainingError(
            f"there is no training in {folder}: start without --resume"
        )
    before = json.loads(path.read_text())
    changed = sorted(k for k in run if before.get(k) != run[k])
    if changed:
        raise TrainingError(
            f"{folder} was begun with other settings "
            f"({', '.join(changed)}): resume with the same ones"
        )


def _last(checkpoints: Path) -> str | None:
    """The last whole checkpoint; a kill may have left half a one.

    `Trainer` writes a checkpoint's state after all else.
    """
    found = [int(p.name.split("-")[1]) for p in checkpoints.glob("check*")]
    for step in sorted(found, reverse=True):
        folder = checkpoints / f"checkpoint-{step}"
        try:
            json.loads((folder / "trainer_state.json").read_text())
        except (OSError, ValueError):
            continue
        return str(folder)
    return None


def _save(wrapped: Any, folder: Path, base: str) -> None:
    """The adapter in `folder`, its weights last: there, it is whole."""
    # By its name: a path of this machine means nothing elsewhere.
    wrapped.peft_config["default"].base_model_name_or_path = base
    unfinished = folder / "unfinished"
    wrapped.save_pretrained(unfinished, save_embedding_layers=False)
    for name in ("adapter_config.json", ADAPTER_WEIGHTS):
        (unfinished / name).replace(folder / name)
    # PEFT's own card, a form that nobody has filled in.
    (unfinished / "README.md").unlink(missing_ok=True)
    unfinished.rmdir()


def _digest(rows: Sequence[Row]) -> str:
    text = json.dumps([(row.input_ids, row.labels) for row in rows])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _trainer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    valid_rows: Sequence[Row],
    settings: TrainingSettings,
    checkpoints: Path,
    score: Score | None,
) -> Any:
    from transformers import (
        EarlyStoppingCallback,
        PrinterCallback,
        Trainer,
    )

    pad = tokenizer.pad_token_id
    pad = tokenizer.eos_token_id if pad is None else pad

    def collator(features: list[dict[str, list[int]]]) -> Any:
        return collate([Row(**feature) for feature in features], pad)

    trainer = Trainer(
        model=model,
        args=_arguments(model, len(rows), settings, checkpoints, score),
        data_collator=collator,
        train_dataset=RowDataset(rows),
        eval_dataset=RowDataset(valid_rows),
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(settings.patience)],
        # The logits of `valid` are not looked at, nor kept: it is asked.
        preprocess_logits_for_metrics=lambda logits, labels: labels[:, :1],
        # Not through `Trainer`'s wrapper, which computes in bf16.
        compute_metrics=score
        and (lambda _: {"score": score(model.get_base_model())}),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(
    model: Any,
    n_rows: int,
    settings: TrainingSettings,
    checkpoints: Path,
    score: Score | None,
) -> Any:
    from transformers import TrainingArguments

    device = next(model.parameters()).device
    bf16 = has_fast_bf16(device)
    count = distributed.world_size()
    if settings.batch_size % count:
        raise TrainingError(
            f"a batch of {settings.batch_size} rows cannot be shared by "
            f"{count} processes: take a multiple of {count}"
        )
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=settings.epochs,
        # The whole batch, which its processes share: however many they
        # are, a step learns from the same rows (but several fill up an
        # epoch's last batch with rows of its first).
        per_device_train_batch_size=settings.batch_size,
        accelerator_config={"split_batches": True},
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
        metric_for_best_model="eval_score" if score else "eval_loss",
        greater_is_better=score is not None,
        logging_steps=max(1, math.ceil(n_rows / settings.batch_size) // 8),
        report_to="tensorboard",
        disable_tqdm=True,
        remove_unused_columns=False,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        ddp_backend="gloo" if count > 1 and device.type == "cpu" else None,
        ddp_find_unused_parameters=False,
    )
