"""LoRA adapters: parameter counts, the size budget, and PEFT's layers.

LoRA (Hu et al. 2021, arXiv:2106.09685) trains two thin matrices whose
product `B A` is the update of a weight matrix.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import torch
from torch import nn

from unitconv.inference.load.adapter import ADAPTER_WEIGHTS
from unitconv.inference.load.errors import without_advice
from unitconv.inference.weights.hub import split_commit
from unitconv.training.config import (
    TrainingError,
    TrainingRun,
    TrainingSettings,
)

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

BYTES_PER_PARAMETER = 4  # adapters are trained and stored in float32


def lora_parameters(model: nn.Module, rank: int) -> int:
    """Count the parameters LoRA adds to all linear layers but `lm_head`.

    A layer of shape [out, in] gets `A` [rank, in] and `B` [out, rank].
    """
    return sum(
        rank * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.endswith("lm_head")
    )


def check_budget(model: nn.Module, settings: TrainingSettings) -> None:
    """Check that the adapter fits its size budget.

    Raises:
        TrainingError: it does not; the message names a rank that fits.
    """
    parameters = lora_parameters(model, settings.rank)
    megabytes = parameters * BYTES_PER_PARAMETER / 1e6
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


@without_advice()
def add_lora(
    model: PreTrainedModel, settings: TrainingSettings
) -> PeftModel:
    """Add trainable float32 LoRA matrices to every linear layer.

    PEFT changes `model` in place and freezes its other weights.
    """
    from peft import LoraConfig, get_peft_model  # two seconds

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(settings.seed)
    wrapped = get_peft_model(model, config)
    if settings.gradient_checkpointing:
        enable_checkpointing(wrapped)
    return wrapped


def enable_checkpointing(wrapped: PeftModel) -> None:
    """Recompute activations in the backward pass."""
    wrapped.gradient_checkpointing_enable({"use_reentrant": False})
    # Without it the first checkpointed block's input needs no gradient,
    # and none would reach the adapter.
    wrapped.enable_input_require_grads()


def save_adapter(wrapped: PeftModel, run: TrainingRun) -> None:
    """Write the adapter, weights last: they mark it as complete."""
    config = wrapped.peft_config["default"]
    config.base_model_name_or_path, config.revision = split_commit(
        run.base_name
    )
    unfinished = run.folder / "unfinished"
    wrapped.save_pretrained(str(unfinished), save_embedding_layers=False)
    for name in ("adapter_config.json", ADAPTER_WEIGHTS):
        (unfinished / name).replace(run.folder / name)
    shutil.rmtree(unfinished)  # it also holds PEFT's empty model card
