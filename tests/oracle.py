"""What the decoders are compared with, and what they are given to read."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import GenerationConfig


def never(_: list[int]) -> bool:
    return False


def random_prompts(
    model: Any, lengths: Sequence[int], seed: int = 0
) -> list[list[int]]:
    rng = random.Random(seed)
    vocabulary = range(3, model.config.vocab_size)
    return [rng.choices(vocabulary, k=length) for length in lengths]


# The oracle is slow: ask it once. Forgotten with the model, whose id may
# become another's.
_SAID: WeakKeyDictionary[Any, dict[Any, list[int]]] = WeakKeyDictionary()


def by_transformers(
    model: Any, prompt: list[int], limit: int, ends: set[int] | None = None
) -> list[int]:
    """The oracle: one prompt, alone, no padding, no code of ours."""
    said, asked = _SAID.setdefault(model, {}), (*prompt, limit, str(ends))
    if asked not in said:
        said[asked] = _by_transformers(model, prompt, limit, ends)
    return list(said[asked])


@torch.inference_mode()
def _by_transformers(
    model: Any, prompt: list[int], limit: int, ends: set[int] | None = None
) -> list[int]:
    nothing = [model.config.vocab_size]  # None would mean the model's own
    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=limit,
        eos_token_id=sorted(ends) if ends else nothing,
        pad_token_id=0,
    )
    input_ids = torch.tensor([prompt])
    out = model.generate(
        input_ids,
        attention_mask=torch.ones_like(input_ids),
        generation_config=config,
    )
    return list(out[0, len(prompt) :].tolist())
