"""Checkpoints of online RL, from which a run resumes exactly."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from unitconv.common.checkpoint import (
    optimizer_tensors,
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
    progress = Progress()
    best = {n: t.clone() for n, t in trainable(model).items()}
    last = max(folder.glob("step-*"), default=None)
    if last is not None:
        state = last / "state.json"
        progress = read_as(state, _PROGRESS, TrainingError)
        set_weights(model, load_file(last / "adapter.safetensors"))
        tensors = load_file(last / "optimizer.safetensors")
        restore_optimizers([optimizer], tensors)
        best = load_file(last / "best.safetensors")
    return progress, best
