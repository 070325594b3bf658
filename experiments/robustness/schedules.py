"""Random schedules of the engine against two decoders without slots.

Each schedule draws prompts with or without a shared prefix, limits, a stop
rule, samples, sampling settings and a number of slots. Its completions are
compared with those of the sequential decoder, and the first of a greedy one
with that of `transformers.generate` too. Faults are planted in the engine
to see that the comparison can fail.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from unitconv.inference import engine
from unitconv.inference.engine import EngineOptions
from unitconv.inference.generate import generate
from unitconv.inference.kv_cache import SlotCache
from unitconv.inference.load.model import COURSE_MODEL
from unitconv.inference.reference import (
    Completion,
    Decoding,
    choose,
    generate_sequential,
)
from unitconv.inference.sampling import row_key

VOCABULARY = 259


@dataclass(frozen=True)
class Schedule:
    """What the engine is asked for."""

    prompts: list[list[int]]
    limits: list[int]
    samples: int
    slots: int
    settings: Decoding
    stop_every: int

    def stop(self, token_ids: list[int]) -> bool:
        """Stop at every token whose number is a multiple."""
        return token_ids[-1] % self.stop_every == 0


def make_model(vocab_size: int = VOCABULARY, context: int = 96) -> Any:
    """Create a small llama whose greedy text varies."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.3,
        eos_token_id=None,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def draw(number: int) -> Schedule:
    """Draw the schedule of a number."""
    rng = random.Random(f"schedule {number}")

    def tokens(count: int) -> list[int]:
        return [rng.randrange(VOCABULARY) for _ in range(count)]

    prefix = tokens(rng.choice([0, 0, 9, 40]))
    prompts = [
        prefix + tokens(rng.randint(1, 14))
        for _ in range(rng.randint(1, 6))
    ]
    return Schedule(
        prompts=prompts,
        limits=[rng.randint(1, 12) for _ in prompts],
        samples=rng.randint(1, 4),
        slots=rng.choice([1, 2, 3, 5, 8, 13, 64]),
        settings=Decoding(
            max_new_tokens=12,
            temperature=rng.choice([0.0, 0.0, 0.4, 1.2]),
            top_p=rng.choice([1.0, 0.8]),
            seed=rng.randrange(4),
        ),
        stop_every=rng.randint(2, 40),
    )


def differs(model: Any, schedule: Schedule) -> bool:
    """Decode a schedule by the engine and without it; compare."""
    n = schedule.samples
    options = EngineOptions(slots=schedule.slots, limits=schedule.limits)
    done = generate(
        model,
        schedule.prompts,
        schedule.stop,
        schedule.settings,
        n,
        options,
    )
    for row, prompt, limit in zip(
        done, schedule.prompts, schedule.limits, strict=True
    ):
        alone = replace(schedule.settings, max_new_tokens=limit)
        expected = [
            generate_sequential(model, prompt, schedule.stop, alone, number)
            for number in range(n)
        ]
        if row != expected:
            return True
    if schedule.settings.temperature:
        return False
    return done[0][0] != transformers_greedy(model, schedule)


def transformers_greedy(model: Any, schedule: Schedule) -> Completion:
    """Decode the first prompt with `transformers`, up to the stop token."""
    prompt, limit = schedule.prompts[0], schedule.limits[0]
    ids = torch.tensor([prompt])
    text = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=limit,
        do_sample=False,
    )[0, len(prompt) :].tolist()
    for end in range(1, len(text) + 1):
        if schedule.stop(text[:end]):
            return Completion(text[:end], finished=True)
    return Completion(text, finished=False)


def copy_too_little(
    cache: SlotCache, source: int, target: int, length: int
) -> None:
    for store in (cache.keys, cache.values):
        part = store[:, source, :, : length - 1]
        store[:, target, :, : length - 1] = part


def one_noise_for_all(seed: int, prompt: list[int], number: int) -> int:
    return row_key(seed, prompt, 0)


def noise_of_the_next_token(
    logits: Tensor, settings: Decoding, keys: Tensor, position: Tensor
) -> Tensor:
    return choose(logits, settings, keys, position + 1)


#: Mistakes in the engine that a comparison has to see.
FAULTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a fork copies one token too few": lambda: patch.object(
        SlotCache, "copy", copy_too_little
    ),
    "all samples share their noise": lambda: patch.object(
        engine, "row_key", one_noise_for_all
    ),
    "a token gets the noise of the next": lambda: patch.object(
        engine, "choose", noise_of_the_next_token
    ),
}


def count_differences(
    numbers: range, fault: str | None = None
) -> Iterator[bool]:
    """Yield for each schedule whether its completions differ."""
    model = make_model()
    with FAULTS[fault]() if fault else nullcontext():
        for number in numbers:
            yield differs(model, draw(number))


def save_model(folder: Path, context: int = 96) -> Path:
    """Save a small random model with the course model's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(COURSE_MODEL)
    made = make_model(vocab_size=len(tokenizer), context=context)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
