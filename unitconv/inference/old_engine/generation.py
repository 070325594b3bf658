"""One call for many prompts: the engine, or the decoder that serves all."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from unitconv.inference.old_engine.batching import Engine, Observer
from unitconv.inference.old_engine.models import why_not
from unitconv.inference.reference import (
    BATCH_SIZE,
    GREEDY,
    Completion,
    Decoding,
    Progress,
    StopRule,
    generate_in_batches,
    token_limit,
)

log = logging.getLogger(__name__)


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop: StopRule,
    settings: Decoding = GREEDY,
    num_return_sequences: int = 1,
    slots: int = BATCH_SIZE,
    limits: Sequence[int] | None = None,
    pad_token_id: int = 0,
    progress: Progress | None = None,
    memory: int | None = None,
    observe: Observer | None = None,
) -> list[list[Completion]]:
    """Continue all prompts, `slots` rows at a time.

    Args:
        limits: new tokens each prompt may have, where not all may have
            `settings.max_new_tokens`.
        progress: called with the number of prompts just finished.
        memory: bytes the KV cache may take; by default a share of what is
            free. Where fewer slots fit, more rows wait.
        observe: called after each pass of the model (not by the fallback).

    Returns:
        for each prompt, in order, `num_return_sequences` completions.

    Raises:
        ContextError: a prompt is empty or longer than the context.
        CacheError: not even one request fits in `memory`.
        ValueError: `num_return_sequences` or `slots` is below 1.
    """
    if min(num_return_sequences, slots) < 1:
        raise ValueError(
            "num_return_sequences and slots must be at least 1"
        )
    if not prompts:
        return []
    wanted = limits or [settings.max_new_tokens] * len(prompts)
    allowed = [
        token_limit(model, prompt, limit)
        for prompt, limit in zip(prompts, wanted, strict=True)
    ]
    if reason := why_not(model):
        warnings.warn(
            f"decoding without the engine: {reason}", stacklevel=2
        )
        return generate_in_batches(
            *(model, prompts, stop, settings, num_return_sequences),
            *(slots, pad_token_id, allowed, progress),
        )
    engine = Engine(
        model,
        [list(prompt) for prompt in prompts],
        settings,
        num_return_sequences,
        slots,
        allowed,
        memory,
        observe,
    )
    log.info("%s", engine.cache.plan)
    return engine.run(stop, progress)
