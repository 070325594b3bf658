"""Checkpoints a run can resume from exactly, without pickle.

A checkpoint is a folder `step-000200` with `model.safetensors` (float32
weights), `optimizer.safetensors` (both optimisers' tensors) and
`state.json`. The corpus needs no state: rows are a function of the step.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from unitconv.common.errors import UnitconvError
from unitconv.pretraining.config import PretrainConfig


class ResumeError(UnitconvError):
    """A checkpoint that is missing or belongs to another configuration."""


@dataclass
class Progress:
    """What a run has done so far."""

    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    config: PretrainConfig,
    progress: Progress,
) -> Path:
    """Write `folder/step-N`, all of it or nothing."""
    target = folder / f"step-{progress.step:06d}"
    draft = folder / f".{target.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file(_weights(model), draft / "model.safetensors")
    save_file(_moments(optimizers), draft / "optimizer.safetensors")
    state = {"config": asdict(config), "progress": asdict(progress)}
    (draft / "state.json").write_text(json.dumps(state, indent=1))
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)  # one step: a killed run leaves no half checkpoint
    return target


def latest_checkpoint(folder: Path) -> Path:
    """The checkpoint with the most steps.

    Raises:
        ResumeError: there is none.
    """
    found = sorted(folder.glob("step-*"))
    if not found:
        raise ResumeError(
            f"no checkpoint in {folder}: start without --resume"
        )
    return found[-1]


def load_checkpoint(
    checkpoint: Path,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    config: PretrainConfig,
) -> Progress:
    """Put a checkpoint's weights and optimiser state back in place.

    Raises:
        ResumeError: the checkpoint was written with other settings.
    """
    state = json.loads((checkpoint / "state.json").read_text())
    changed = _differences(state["config"], asdict(config))
    if changed:
        raise ResumeError(
            f"{checkpoint.name} was written with other settings "
            f"({', '.join(changed)}): resume with the same ones"
        )
    load_weights(checkpoint, model)
    _restore_moments(
        optimizers, load_file(checkpoint / "optimizer.safetensors")
    )
    return Progress(**state["progress"])


def load_weights(checkpoint: Path, model: nn.Module) -> None:
    """Put a checkpoint's weights into a model of the same shape."""
    missing = model.load_state_dict(
        load_file(checkpoint / "model.safetensors"), strict=False
    ).missing_keys
    # The output layer is tied to the embedding: stored once.
    assert set(missing) <= {"lm_head.weight"}, missing


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter once, under its first name."""
    return {
        name: parameter.detach().contiguous()
        for name, parameter in model.named_parameters()
    }


def _moments(
    optimizers: list[torch.optim.Optimizer],
) -> dict[str, torch.Tensor]:
    """Optimiser states as flat names: `0.12.momentum_buffer`."""
    return {
        f"{number}.{index}.{key}": torch.as_tensor(value).contiguous()
        for number, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def _restore_moments(
    optimizers: list[torch.optim.Optimizer],
    tensors: dict[str, torch.Tensor],
) -> None:
    for number, optimizer in enumerate(optimizers):
        states: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            owner, index, key = name.split(".")
            if int(owner) == number:
                states.setdefault(int(index), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": states, "param_groups": groups})


def _differences(
    stored: dict[str, Any], wanted: dict[str, Any]
) -> list[str]:
    """Settings that differ, by name; how often to save does not matter."""
    names = (set(stored) | set(wanted)) - {"checkpoint_every", "workers"}
    return sorted(n for n in names if stored.get(n) != wanted.get(n))
