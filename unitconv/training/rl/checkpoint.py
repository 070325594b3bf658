"""Checkpoints of online RL, from which a run resumes exactly."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.optim import Optimizer

from unitconv.common.checkpoint import (
    advising,
    check_shapes,
    optimizer_tensors,
    read_tensors,
    restore_optimizers,
    write_checkpoint,
)
from unitconv.common.files.json_file import read_as
from unitconv.training.config import TrainingError
from unitconv.training.rl.loop import Metrics


@dataclass
class Progress:
    """Steps so far, their measurements, and the best one."""

    step: int = 0
    seconds: float = 0.0
    record_bytes: int = 0  #: of the record of rollouts
    best_step: int = 0
    history: list[Metrics] = field(default_factory=list)
    #: Step and accuracy on the validation questions.
    valid_scores: list[tuple[int, float]] = field(default_factory=list)


_PROGRESS = TypeAdapter(Progress)


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that learn, by name, without gradients."""
    return {
        name: parameter.detach()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def set_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy `weights` into the parameters that learn."""
    for name, tensor in trainable(model).items():
        tensor.copy_(weights[name])


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    best: dict[str, Tensor],
) -> None:
    """Write `folder/step-N` atomically and remove older checkpoints."""
    tensors = {
        "adapter": trainable(model),
        "best": best,
        "optimizer": optimizer_tensors([optimizer]),
    }
    target = folder / f"step-{progress.step:06d}"
    write_checkpoint(target, tensors, asdict(progress))


def resume(
    folder: Path, model: nn.Module, optimizer: Optimizer
) -> tuple[Progress, dict[str, Tensor]]:
    """Restore the last checkpoint.

    Returns:
        The progress and the best weights: those of a new run where there
        is no checkpoint.

    Raises:
        TrainingError: a broken checkpoint; names the file.
    """
    last = max(folder.glob("step-*"), default=None)
    learning = trainable(model)
    if last is None:
        return Progress(), {n: t.clone() for n, t in learning.items()}
    with advising(last, TrainingError):
        progress = read_as(last / "state.json", _PROGRESS, TrainingError)
        adapter, best, states = (
            read_tensors(last / f"{name}.safetensors", TrainingError)
            for name in ("adapter", "best", "optimizer")
        )
        for name, found in {"adapter": adapter, "best": best}.items():
            path = last / f"{name}.safetensors"
            check_shapes(found, learning, path, TrainingError)
    set_weights(model, adapter)
    restore_optimizers([optimizer], states)
    return progress, best
