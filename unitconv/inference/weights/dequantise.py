"""Conversion of a quantised GGUF file to safetensors in bfloat16."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer


def dequantise(gguf: Path, folder: Path) -> None:
    """Write the model and the tokenizer of `gguf` into `folder`.

    bfloat16 has more digits than weights of 4 bits need, and the range of
    float32.
    """
    where: dict[str, Any] = {
        "pretrained_model_name_or_path": str(gguf.parent),
        "gguf_file": gguf.name,
        "local_files_only": True,
    }
    with redirect_stderr(io.StringIO()):  # three progress bars
        tokenizer = AutoTokenizer.from_pretrained(**where)
        loaded = AutoModelForCausalLM.from_pretrained(
            dtype=torch.float32, **where
        )
        nn.Module.to(loaded, torch.bfloat16)
        _without_quantisation(loaded).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # readable by all users
    tokenizer.save_pretrained(folder)


def _without_quantisation(loaded: Any) -> Any:
    """Build the same model anew: `loaded` counts as quantised for good."""
    settings = loaded.config.to_dict()
    del settings["quantization_config"]
    # A GGUF file has it as a float32.
    settings["rms_norm_eps"] = float(f"{settings['rms_norm_eps']:.6g}")
    config = type(loaded.config).from_dict(settings)
    with torch.device("meta"):
        model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.generation_config = loaded.generation_config
    return model
