"""TRL's SFTTrainer, with the same rows, adapter and optimizer."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from experiments.benchmarks.training_task import (
    Material,
    StepClock,
    serve_trainer,
    settings,
)
from unitconv.inference.load import has_fast_bf16
from unitconv.training.config import TrainingSettings
from unitconv.training.examples import TrainingExample
from unitconv.training.lora import add_lora


def train(given: Material, clock: StepClock, folder: str) -> None:
    trainer = SFTTrainer(
        # On a CPU the fused kernel's backward pass is the slower one.
        model=_eager(given),
        args=SFTConfig(**_arguments(folder, settings())),
        train_dataset=Dataset.from_list(list(map(_plain, given.rows))),
        processing_class=given.tokenizer,
        callbacks=[clock],
    )
    trainer.train()


def _eager(given: Material) -> Any:
    given.model.set_attn_implementation("eager")
    return add_lora(given.model, settings())


def _plain(row: TrainingExample) -> dict[str, list[int]]:
    return {"input_ids": row.input_ids, "labels": row.labels}


def _arguments(folder: str, chosen: TrainingSettings) -> dict[str, Any]:
    """What `unitconv.training.trainer` tells `Trainer`, told to TRL."""
    return {
        "output_dir": folder,
        "num_train_epochs": chosen.epochs,
        "per_device_train_batch_size": chosen.batch_size,
        "learning_rate": chosen.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": chosen.warmup_share,
        "weight_decay": 0.0,
        "max_grad_norm": chosen.max_grad_norm,
        "train_sampling_strategy": "group_by_length",
        "use_cpu": True,
        "bf16": has_fast_bf16(torch.device("cpu")),
        "gradient_checkpointing": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


if __name__ == "__main__":
    serve_trainer(train)
