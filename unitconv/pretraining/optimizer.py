"""Two optimisers and one schedule.

Muon (Jordan et al. 2024) makes each update of a weight matrix nearly
orthogonal, so that no direction of the matrix is left behind. It is meant
for the matrices inside the network; embeddings and norms stay with AdamW.
"""

from __future__ import annotations

import torch
from torch import nn

from unitconv.pretraining.config import PretrainConfig


def make_optimizers(
    model: nn.Module, config: PretrainConfig
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for everything else."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inside = parameter.ndim == 2 and "embed" not in name
        (matrices if inside else others).append(parameter)
    return [
        torch.optim.Muon(
            matrices,
            lr=config.muon_lr,
            weight_decay=config.muon_weight_decay,
        ),
        torch.optim.AdamW(
            others, lr=config.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0
        ),
    ]


def lr_share(step: int, config: PretrainConfig) -> float:
    """The share of the full learning rate at a step, counted from 0.

    Linear warm-up, a flat middle, then a linear decay over the last
    `decay_share` of the steps to `final_lr_share`.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    decay_steps = config.decay_share * config.steps
    left = (config.steps - 1 - step) / max(1.0, decay_steps - 1)
    return config.final_lr_share + (1 - config.final_lr_share) * min(
        1, left
    )


def set_learning_rates(
    optimizers: list[torch.optim.Optimizer],
    step: int,
    config: PretrainConfig,
) -> None:
    """Put both optimisers' learning rates where the schedule wants them."""
    full = (config.muon_lr, config.adamw_lr)
    for optimizer, lr in zip(optimizers, full, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = lr * lr_share(step, config)
