"""LoRA: a few small matrices beside the frozen ones, and how large.

Hu et al. 2021, arXiv:2106.09685: the update of a weight matrix is written
as the product of two thin ones, `B A`, and only those are trained. PEFT
puts them into every linear layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from unitconv.common.errors import UnitconvError
from unitconv.inference.load import without_advice


class TrainingError(UnitconvError):
    """A training that should not start: too large, no rows, other run."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How an adapter is trained.

    What has no default depends on the method: `unitconv.training.config`
    has it for SFT and for RFT.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float
    learning_rate: float
    epochs: int
    batch_size: int = 32
    warmup_share: float = 0.06
    max_grad_norm: float = 1.0
    seed: int = 0
    #: Recompute activations in the backward pass; less memory, more time.
    gradient_checkpointing: bool = False
    #: Stop when the score on `valid` has not improved for so many epochs.
    patience: int = 4
    #: Refuse an adapter whose file would be larger, in MB; or lower the
    #: rank until it fits, where nobody asked for this one.
    max_adapter_mb: float
    lower_rank: bool = False


def lora_parameters(model: nn.Module, rank: int) -> int:
    """How many parameters LoRA adds to all linear layers but the output.

    A layer of shape [out, in] gets `A` [rank, in] and `B` [out, rank].
    """
    return sum(
        rank * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.endswith("lm_head")
    )


def fit_budget(
    model: nn.Module, settings: TrainingSettings
) -> TrainingSettings:
    """Settings whose adapter is small enough, if `lower_rank` allows it.

    LoRA's scale, alpha / rank, stays as it is.

    Raises:
        TrainingError: as `check_budget`.
    """
    a_rank = lora_parameters(model, 1) * 4 / 1e6
    rank = min(settings.rank, int(settings.max_adapter_mb / a_rank))
    if settings.lower_rank and 0 < rank < settings.rank:
        alpha = settings.alpha * rank // settings.rank
        return replace(settings, rank=rank, alpha=alpha)
    check_budget(model, settings)
    return settings


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


@without_advice()
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
