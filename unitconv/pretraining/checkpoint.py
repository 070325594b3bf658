"""Checkpoints from which a run resumes exactly, without pickle.

A checkpoint is a folder `step-000200` with float32 weights, the tensors of
both optimizers and `state.json`. The corpus is a function of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from unitconv.common.checkpoint import (
    advising,
    check_shapes,
    optimizer_tensors,
    read_tensors,
    restore_optimizers,
    write_checkpoint,
)
from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_as
from unitconv.pretraining.config import PretrainConfig

# Settings that may change when a run is resumed: the losses do not depend
# on them.
_FREE_SETTINGS = {"checkpoint_every", "keep_checkpoints", "workers"}


class ResumeError(UnitconvError):
    """Checkpoint that is missing or belongs to another configuration."""


@dataclass
class TrainingProgress:
    """Steps and seconds so far, and the loss of every step."""

    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _State:
    config: dict[str, Any]
    progress: TrainingProgress


_STATE = TypeAdapter(_State)


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    config: PretrainConfig,
    progress: TrainingProgress,
) -> Path:
    """Write `folder/step-N` atomically and return its path.

    Older checkpoints are removed unless `config.keep_checkpoints`.
    """
    target = folder / f"step-{progress.step:06d}"
    # Every parameter once: named_parameters() skips the tied output layer.
    tensors: dict[str, Mapping[str, Tensor]] = {
        "model": dict(model.named_parameters()),
        "optimizer": optimizer_tensors(optimizers),
    }
    state = {"config": asdict(config), "progress": asdict(progress)}
    write_checkpoint(target, tensors, state, config.keep_checkpoints)
    return target


def latest_checkpoint(folder: Path) -> Path:
    """Find the checkpoint with the most steps.

    Raises:
        ResumeError: there is none.
    """
    checkpoints = sorted(folder.glob("step-*"))
    if not checkpoints:
        raise ResumeError(
            f"no checkpoint in {folder}: start without --resume"
        )
    return checkpoints[-1]


def load_checkpoint(
    checkpoint: Path,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    config: PretrainConfig,
) -> TrainingProgress:
    """Restore weights, optimizer states and progress.

    Raises:
        ResumeError: the checkpoint is broken, or was written with other
            settings.
    """
    path = checkpoint / "optimizer.safetensors"
    with advising(checkpoint, ResumeError):
        state = read_as(checkpoint / "state.json", _STATE, ResumeError)
        tensors = read_tensors(path, ResumeError)
    stored, current = state.config, asdict(config)
    changed = sorted(
        name
        for name in (set(stored) | set(current)) - _FREE_SETTINGS
        if stored.get(name) != current.get(name)
    )
    if changed:
        raise ResumeError(
            f"{checkpoint.name} was written with other settings "
            f"({', '.join(changed)}): resume with the same ones"
        )
    with advising(checkpoint, ResumeError):
        load_weights(checkpoint, model)
    restore_optimizers(optimizers, tensors)
    return state.progress


def load_weights(checkpoint: Path, model: nn.Module) -> None:
    """Load a checkpoint's weights into a model of the same shape.

    Raises:
        ResumeError: no file of weights, or one of other names or shapes.
    """
    path = checkpoint / "model.safetensors"
    tensors = read_tensors(path, ResumeError)
    check_shapes(tensors, dict(model.named_parameters()), path, ResumeError)
    # Not strict: the tied output layer is stored once, as the embedding.
    model.load_state_dict(tensors, strict=False)
