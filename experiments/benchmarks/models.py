"""The models that are measured: folders that every peer can read.

The course model is as shipped. The other has the exact shape of
SmolLM2-135M (HuggingFaceTB/SmolLM2-135M, config.json) and random weights:
a decoder's speed depends on the shape alone, and nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from unitconv.inference.load import COURSE_MODEL
from unitconv.profiling.memory_estimate import SMOLLM2

# The dtype that the library decodes each of them in.
DTYPES = {"course": "float32", "smollm2": "bfloat16"}

SMOLLM2_135M = LlamaConfig(
    **SMOLLM2["135M"], initializer_range=0.041666666666666664
)


def model_folder(name: str, work: Path) -> Path:
    """Where a model lies; SmolLM2's shape is made in `work` if need be.

    Raises:
        ValueError: an unknown name.
    """
    if name == "course":
        return COURSE_MODEL
    if name != "smollm2":
        raise ValueError(f"unknown model {name!r}: {', '.join(DTYPES)}")
    folder = work / name
    if not (folder / "tokenizer.json").exists():
        torch.manual_seed(0)
        model: Any = LlamaForCausalLM(SMOLLM2_135M)
        model.to(torch.bfloat16)
        model.save_pretrained(folder)
        _numbered_tokens(SMOLLM2_135M.vocab_size).save_pretrained(folder)
    return folder


def _numbered_tokens(size: int) -> PreTrainedTokenizerFast:
    """A vocabulary for converters that want one: peers get token ids."""
    words = {f"t{i}": i for i in range(size)}
    backend = Tokenizer(WordLevel(words, unk_token="t0"))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="t0",
        eos_token="t0",
        unk_token="t0",
    )
