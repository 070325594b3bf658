"""Checkpoints without pickle: a folder of safetensors and a JSON state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from unitconv.common.io import naming


def write_checkpoint(
    target: Path,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, object],
    keep_others: bool = False,
) -> None:
    """Write the folder `target`, named `step-N`, atomically.

    Args:
        target: replaced if it exists.
        tensors: named tensors for each file, by its name.
        state: content of `state.json`.
        keep_others: do not remove the other checkpoints beside it.

    Raises:
        OSError: the disk is full; the other checkpoints are kept.
    """
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with naming(target, draft):
        for name, content in tensors.items():
            contiguous = {
                key: tensor.detach().contiguous()
                for key, tensor in content.items()
            }
            save_file(contiguous, draft / f"{name}.safetensors")
        (draft / "state.json").write_text(json.dumps(state, indent=1))
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)  # atomic: a killed run leaves no partial folder
    if not keep_others:
        for other in target.parent.glob("step-*"):
            if other != target:
                shutil.rmtree(other)


def optimizer_tensors(optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """Optimiser states under flat names: `0.12.momentum_buffer`."""
    return {
        f"{number}.{index}.{key}": torch.as_tensor(value)
        for number, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def restore_optimizers(
    optimizers: Sequence[Optimizer], tensors: Mapping[str, Tensor]
) -> None:
    """Load the optimiser states that `optimizer_tensors` flattened."""
    states: list[dict[int, dict[str, Any]]] = [{} for _ in optimizers]
    for name, tensor in tensors.items():
        number, index, key = name.split(".")
        states[int(number)].setdefault(int(index), {})[key] = tensor
    for optimizer, state in zip(optimizers, states, strict=True):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
