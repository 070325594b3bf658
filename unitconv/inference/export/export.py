"""Export of a model in one of two formats, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from unitconv.common.io import replacing
from unitconv.inference.export.card import model_card
from unitconv.inference.export.gguf_file import (
    FILE_TYPES,
    ExportError,
    write_gguf,
)
from unitconv.inference.export.merged import MergedModel, load_merged

_FOLDER_TYPES = {"f32": torch.float32, "f16": torch.float16}


def export_model(
    name_or_path: str,
    output: Path,
    adapter: str | Path | None = None,
    number_type: str = "f16",
) -> MergedModel:
    """Merge an adapter into a model and write it as `output`.

    Args:
        name_or_path: as for `~unitconv.inference.load.model.load_model`.
        output: a new file ``NAME.gguf``, for llama.cpp; or a new folder,
            for Transformers.
        adapter: as for `~unitconv.inference.load.adapter.find_adapter`.
        number_type: ``f32``, ``f16`` or, in a GGUF file alone, ``q8_0``.

    Raises:
        ExportError: `output` exists, or is neither; an unknown type; or a
            model that cannot be written as GGUF.
        ModelError: nothing to load, or an adapter that does not fit.
        OSError: the output cannot be written; nothing is left of it.
    """
    check_output(output, number_type)
    merged = load_merged(name_or_path, adapter)
    with replacing(output) as unfinished:
        if output.suffix:
            write_gguf(merged, unfinished, number_type)
        else:
            write_folder(merged, unfinished, number_type)
    return merged


def check_output(output: Path, number_type: str) -> None:
    """Raise ExportError for an output that cannot be made."""
    if output.exists() or output.is_symlink():
        raise ExportError(f"{output} exists: delete it, or name another")
    if not output.absolute().parent.is_dir():
        raise ExportError(
            f"the folder {output.absolute().parent} does not exist, create "
            "it first"
        )
    if output.suffix not in ("", ".gguf"):
        raise ExportError(
            f"unknown suffix {output.suffix!r} of {output}: name a file "
            "that ends with .gguf, or a folder without a dot in its name"
        )
    known = FILE_TYPES if output.suffix else _FOLDER_TYPES
    if number_type not in known:
        raise ExportError(
            f"unknown type {number_type!r} for "
            f"{'a GGUF file' if output.suffix else 'a folder'}: choose "
            f"from {', '.join(known)}"
        )


def write_folder(
    merged: MergedModel, folder: Path, number_type: str
) -> None:
    """Write weights, configurations, tokenizer and model card."""
    nn.Module.to(merged.model, _FOLDER_TYPES[number_type])
    merged.model.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)  # readable by all users
    merged.tokenizer.save_pretrained(folder)
    card = model_card(merged, number_type)
    (folder / "README.md").write_text(card, "utf-8")
