"""LoRA fine-tuning with Hugging Face's `Trainer`.

Several processes, started by `accelerate launch`, train one adapter: the
batch size of the settings is that of all together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel
from torch.utils.data import Dataset
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from unitconv.common import distributed
from unitconv.common.checkpoint import advising, check_trainer_files
from unitconv.common.files.json_file import read_object
from unitconv.common.files.lock_file import locked
from unitconv.common.io import digest, naming, write_json
from unitconv.common.run_metadata import run_metadata
from unitconv.inference.load.device import has_fast_bf16
from unitconv.training.config import (
    TrainingError,
    TrainingRun,
    TrainingSettings,
)
from unitconv.training.examples import TrainingExample, collate
from unitconv.training.loop import ShuffledBatches
from unitconv.training.lora import add_lora, check_budget, save_adapter

#: Measures a model on held-out questions after each epoch, for the log.
#: The epoch with the highest `score` is kept.
Probe = Callable[[PreTrainedModel], dict[str, float]]


@dataclass(frozen=True)
class TrainingData:
    """Training and validation examples."""

    train: Sequence[TrainingExample]
    valid: Sequence[TrainingExample]


@dataclass(frozen=True)
class TrainingResult:
    """Summary of a finished run; its adapter is in `folder`."""

    folder: Path
    n_examples: int
    rank: int
    n_trainable: int
    seconds: float
    epochs: float
    losses: list[tuple[float, float]]  #: (epoch, nats per token)
    valid_losses: list[tuple[float, float]]
    valid_scores: list[tuple[float, float]]  #: empty without a score


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainingData,
    settings: TrainingSettings,
    run: TrainingRun,
    probe: Probe | None = None,
) -> TrainingResult:
    """Train a LoRA adapter; save the best epoch's in the run's folder.

    The best has the highest score, or without `probe` the lowest loss.

    Raises:
        TrainingError: no examples, an adapter over its budget, a run that
            cannot be started or resumed, a broken checkpoint.
        LockError: another process is training in the folder.
        OSError: the disk is full; earlier checkpoints are still usable.
    """
    if not data.train or not data.valid:
        use = "validate" if data.train else "train"
        raise TrainingError(f"there are no examples to {use} on")
    check_budget(model, settings)
    content = asdict(settings) | _describe(data.train) | run.entry
    if model.device.type == "cpu":
        # There the fused kernel has the slower backward pass.
        model.set_attn_implementation("eager")
    with begin_run(run, content):
        wrapped = add_lora(model, settings)
        trainer = _trainer(wrapped, tokenizer, data, settings, run, probe)
        start = time.perf_counter()
        last = _last_checkpoint(run.checkpoints) if run.resume else None
        trainer.train(resume_from_checkpoint=last)
        if distributed.is_main_process():
            save_adapter(wrapped, run)
    return TrainingResult(
        folder=run.folder,
        n_examples=len(data.train),
        rank=settings.rank,
        n_trainable=wrapped.get_nb_trainable_parameters()[0],
        seconds=time.perf_counter() - start,
        epochs=float(trainer.state.epoch or 0),
        losses=_logged(trainer, "loss"),
        valid_losses=_logged(trainer, "eval_loss"),
        valid_scores=_logged(trainer, "eval_score"),
    )


def _logged(trainer: Trainer, key: str) -> list[tuple[float, float]]:
    history = trainer.state.log_history
    return [(h["epoch"], h[key]) for h in history if key in h]


def _describe(examples: Sequence[TrainingExample]) -> dict[str, object]:
    rows = digest([(e.input_ids, e.labels) for e in examples])
    return {"n_rows": len(examples), "rows": rows}


@contextmanager
def begin_run(run: TrainingRun, content: dict[str, Any]) -> Iterator[None]:
    """Lock the folder of a run, and write or compare its `run.json`.

    Args:
        run: folder of the run, and whether it is resumed.
        content: settings, and a `digest` of the data.

    Raises:
        TrainingError: the folder holds a run already, no run to resume, or
            one with other settings or examples.
        LockError: another process is training there.
        OSError: the disk is full; names the folder.
    """
    is_writer = distributed.is_main_process()
    with (
        locked(run.folder) if is_writer else nullcontext(),
        naming(run.folder),
    ):
        if run.resume:
            _compare(run, content)
        else:
            _begin(run, content)
        yield


def _begin(run: TrainingRun, content: dict[str, Any]) -> None:
    path = run.folder / "run.json"
    if path.exists():
        raise TrainingError(
            f"{run.folder} holds a training already: go on with "
            "--resume, or give another --output"
        )
    distributed.barrier()  # every process has checked before one writes
    run.folder.mkdir(parents=True, exist_ok=True)
    write_json(content | run_metadata(), path)


def _compare(run: TrainingRun, content: dict[str, Any]) -> None:
    path = run.folder / "run.json"
    if not path.exists():
        raise TrainingError(
            f"there is no training in {run.folder}: start without --resume"
        )
    defaults = {"prompt": "raw"}  # an entry only of other prompts
    earlier = defaults | read_object(path, TrainingError)
    wanted = defaults | content
    changed = sorted(
        key
        for key in wanted.keys() - {"max_adapter_mb"}  # changes nothing
        if earlier.get(key) != wanted[key]
    )
    if changed:
        raise TrainingError(
            f"{run.folder} was begun with other settings "
            f"({', '.join(changed)}): resume with the same ones"
        )


def _last_checkpoint(checkpoints: Path) -> str | None:
    """Find the last complete checkpoint; raise `TrainingError` if broken.

    `Trainer` writes its state last: a kill may leave a folder without it.
    """
    folders = checkpoints.glob("checkpoint-*")
    for folder in sorted(folders, key=lambda f: -int(f.name.split("-")[1])):
        try:
            state = read_object(
                folder / "trainer_state.json", TrainingError
            )
        except TrainingError:
            continue
        with advising(folder, TrainingError):
            best = Path(state.get("best_model_checkpoint") or folder)
            check_trainer_files(folder, best, TrainingError)
        return str(folder)
    return None


class _ShufflingTrainer(Trainer):
    """Trainer that does not sort the batches of an epoch by length."""

    def _get_train_sampler(
        self, train_dataset: Dataset[Any] | None = None
    ) -> ShuffledBatches:
        grouped = super()._get_train_sampler(train_dataset)
        assert isinstance(grouped, LengthGroupedSampler)
        return ShuffledBatches(grouped)


def _trainer(
    wrapped: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainingData,
    settings: TrainingSettings,
    run: TrainingRun,
    probe: Probe | None,
) -> Trainer:
    base = cast("PreTrainedModel", wrapped.get_base_model())
    pad = tokenizer.pad_token_id
    pad = tokenizer.eos_token_id if pad is None else pad
    stop_early = EarlyStoppingCallback(settings.patience)
    kind = _ShufflingTrainer if settings.shuffle_batches else Trainer
    trainer = kind(
        model=wrapped,
        args=_training_arguments(
            base.device, settings, run, len(data.train), probe is not None
        ),
        data_collator=lambda features: collate(
            [TrainingExample(**feature) for feature in features], pad
        ),
        train_dataset=[asdict(e) for e in data.train],
        eval_dataset=[asdict(e) for e in data.valid],
        processing_class=tokenizer,
        callbacks=[stop_early, *run.callbacks],
        # No metric reads the logits: keep only a column of labels.
        preprocess_logits_for_metrics=lambda logits, labels: labels[:, :1],
        # Without `Trainer`'s autocast to bf16.
        compute_metrics=probe and (lambda _: probe(base)),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _training_arguments(
    device: torch.device,
    settings: TrainingSettings,
    run: TrainingRun,
    n_examples: int,
    has_score: bool,
) -> TrainingArguments:
    on_cpu, bf16 = device.type == "cpu", has_fast_bf16(device)
    world_size = distributed.world_size()
    if settings.batch_size % world_size:
        raise TrainingError(
            f"a batch of {settings.batch_size} examples cannot be shared "
            f"by {world_size} processes: take a multiple of {world_size}"
        )
    steps_per_epoch = math.ceil(n_examples / settings.batch_size)
    return TrainingArguments(
        output_dir=str(run.checkpoints),
        num_train_epochs=settings.epochs,
        # With `split_batches` this is the batch of all processes: a step
        # sees the same examples whatever their number. Only an epoch's
        # last batch may differ, which several fill up from the first.
        per_device_train_batch_size=settings.batch_size,
        accelerator_config={"split_batches": True},
        per_device_eval_batch_size=2 * settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_share,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        train_sampling_strategy="group_by_length",
        use_cpu=on_cpu,
        bf16=bf16,
        fp16=device.type == "cuda" and not bf16,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_score" if has_score else "eval_loss",
        greater_is_better=has_score,
        logging_steps=max(1, steps_per_epoch // 8),
        report_to="tensorboard",
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_backend="gloo" if world_size > 1 and on_cpu else None,
        ddp_find_unused_parameters=False,
    )
