"""Checkpoints without pickle: a folder of safetensors and a JSON state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from unitconv.common.errors import UnitconvError
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


@contextmanager
def advising(folder: Path, error: type[UnitconvError]) -> Iterator[None]:
    """Say in an error what to do about the broken checkpoint `folder`.

    Raises:
        UnitconvError: of the type `error`; names an earlier checkpoint,
            where there is one.
    """
    try:
        yield
    except UnitconvError as problem:
        kind, _, steps = folder.name.partition("-")
        earlier = [
            (int(number), other.name)
            for other in folder.parent.glob(f"{kind}-*")
            if (number := other.name.partition("-")[2]).isdecimal()
            and int(number) < int(steps)
        ]
        then = "there is none before it, so start again"
        if earlier:
            then = f"--resume then goes on from {max(earlier)[1]}"
        raise error(f"{problem}. Delete {folder}: {then}") from problem


def read_tensors(
    path: Path, error: type[UnitconvError]
) -> dict[str, Tensor]:
    """Read a file of safetensors.

    Raises:
        UnitconvError: of the type `error`; the file is missing or broken.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        reason = "missing" if not path.exists() else str(problem)
        raise error(f"{path}: cannot be read ({reason})") from problem


def check_trainer_files(
    folder: Path, best: Path, error: type[UnitconvError]
) -> None:
    """Check a checkpoint of `Trainer` and the best one, which it needs.

    `Trainer` would go on without some of the files. Those of `torch.save`
    are zip archives, with a checksum for each part.

    Raises:
        UnitconvError: of the type `error`; a file is missing or broken.
    """
    for place in (folder, best):
        read_tensors(place / "adapter_model.safetensors", error)
    # One of each process, if there were several.
    random = [*folder.glob("rng_state_*.pth")] or [folder / "rng_state.pth"]
    for path in (folder / "optimizer.pt", folder / "scheduler.pt", *random):
        try:
            with ZipFile(path) as archive:
                reason = archive.testzip()
        except (OSError, BadZipFile) as problem:
            reason = str(problem) if path.exists() else "missing"
        if reason:
            raise error(f"{path}: cannot be read ({reason})")


def check_shapes(
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    path: Path,
    error: type[UnitconvError],
) -> None:
    """Check that the tensors of `path` are those of a model.

    Raises:
        UnitconvError: of the type `error`; other names or shapes.
    """
    shapes = {name: tensor.shape for name, tensor in found.items()}
    if shapes != {name: t.shape for name, t in expected.items()}:
        raise error(
            f"{path} holds the weights of another model: use the settings "
            "it was trained with"
        )


def optimizer_tensors(optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """Optimizer states under flat names: `0.12.momentum_buffer`."""
    return {
        f"{number}.{index}.{key}": torch.as_tensor(value)
        for number, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def restore_optimizers(
    optimizers: Sequence[Optimizer], tensors: Mapping[str, Tensor]
) -> None:
    """Load the optimizer states that `optimizer_tensors` flattened."""
    states: list[dict[int, dict[str, Any]]] = [{} for _ in optimizers]
    for name, tensor in tensors.items():
        number, index, key = name.split(".")
        states[int(number)].setdefault(int(index), {})[key] = tensor
    for optimizer, state in zip(optimizers, states, strict=True):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
