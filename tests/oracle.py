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


# The oracle is slow, so its answers are kept as long as the model.
_ANSWERS: WeakKeyDictionary[Any, dict[Any, list[int]]] = WeakKeyDictionary()


def by_transformers(model: Any, prompt: list[int], n: int) -> list[int]:
    """Continue one prompt, alone, without padding or code of ours."""
    answers, request = _ANSWERS.setdefault(model, {}), (*prompt, n)
    if request not in answers:
        answers[request] = _by_transformers(model, prompt, n)
    return list(answers[request])


@torch.inference_mode()
def _by_transformers(model: Any, prompt: list[int], n: int) -> list[int]:
    nothing = [model.config.vocab_size]  # None would mean the model's own
    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=n,
        eos_token_id=nothing,
        pad_token_id=0,
    )
    input_ids = torch.tensor([prompt])
    out = model.generate(
        input_ids,
        attention_mask=torch.ones_like(input_ids),
        generation_config=config,
    )
    return list(out[0, len(prompt) :].tolist())
