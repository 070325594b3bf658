"""`generate`: one call for many prompts, by the engine where it can."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

from unitconv.inference.engine import Engine, EngineOptions, Request
from unitconv.inference.reference import (
    GREEDY,
    Completion,
    Decoding,
    StopRule,
    generate_batched,
)

DEFAULT_OPTIONS = EngineOptions()

# A model is checked once: its first check takes a few forward passes.
_REASONS: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop: StopRule,
    settings: Decoding = GREEDY,
    num_return_sequences: int = 1,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> list[list[Completion]]:
    """Continue all prompts, `options.slots` sequences at a time.

    A model that the engine cannot serve is decoded by `generate_batched`,
    after a warning that says why.

    Returns:
        for each prompt, in order, `num_return_sequences` completions.

    Raises:
        ContextError: a prompt is empty or longer than the context.
        CacheError: the cache of not even one request fits in memory.
        ValueError: `num_return_sequences` or `slots` is below 1.
    """
    if min(num_return_sequences, options.slots) < 1:
        raise ValueError(
            "num_return_sequences and slots must be at least 1"
        )
    if not prompts:
        return []
    if reason := why_unsupported(model):
        warnings.warn(
            f"decoding without the engine: {reason}", stacklevel=2
        )
        return generate_in_batches(
            model, prompts, stop, settings, num_return_sequences, options
        )
    engine = Engine(
        model=without_adapter(model),
        prompts=prompts,
        settings=settings,
        num_return_sequences=num_return_sequences,
        options=options,
    )
    return engine.run(stop)


def generate_in_batches(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop: StopRule,
    settings: Decoding = GREEDY,
    num_return_sequences: int = 1,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> list[list[Completion]]:
    """Call `generate_batched` for batches of prompts of like length.

    Of `options` only `slots`, `limits` and `progress` are used. Returns
    and raises what `generate_batched` does.
    """
    limits = options.limits or [settings.max_new_tokens] * len(prompts)
    settings = replace(settings, max_new_tokens=max(limits, default=1))
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    batch_size = max(1, options.slots // max(1, num_return_sequences))
    results: list[list[Completion]] = [[] for _ in prompts]
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        done = generate_batched(
            model,
            [prompts[i] for i in batch],
            stop,
            settings,
            num_return_sequences,
        )
        for i, completions in zip(batch, done, strict=True):
            results[i] = [
                Completion(
                    c.token_ids[: limits[i]],
                    c.finished and len(c.token_ids) <= limits[i],
                )
                for c in completions
            ]
        if options.progress is not None:
            options.progress(len(batch))
    return results


def without_adapter(model: Any) -> PreTrainedModel:
    """Return the Transformers model; LoRA layers stay inside of it."""
    unwrap = getattr(model, "get_base_model", None)
    inner: PreTrainedModel = model if unwrap is None else unwrap()
    return inner


def why_unsupported(model: Any) -> str | None:
    """Say why the engine cannot serve a model; None if it can.

    Models that go wrong only in long texts are refused by their
    configuration. Any other is tried once: the engine's logits must be
    those of the model's own forward pass.
    """
    adapters = getattr(model, "peft_config", {}).values()
    if other := {str(a.peft_type.value) for a in adapters} - {"LORA"}:
        return f"its adapter is {min(other)}, not LoRA"
    inner = without_adapter(model)
    if inner not in _REASONS:
        _REASONS[inner] = _unsupported_config(inner) or _try_out(inner)
    return _REASONS[inner]


def _unsupported_config(model: PreTrainedModel) -> str | None:
    if not isinstance(model, PreTrainedModel):
        return f"a {type(model).__name__} is no Transformers model"
    layers = set(getattr(model.config, "layer_types", None) or [])
    if layers - {"full_attention"}:
        return "some of its layers do not attend to all tokens"
    if getattr(model, "_is_stateful", False):
        return "its layers keep a state besides keys and values"
    rope = str(getattr(model.config, "rope_parameters", None))
    if "'dynamic'" in rope or "'longrope'" in rope:
        return "its positions depend on the longest text of a batch"
    return None


class _RecordingEngine(Engine):
    """An engine that keeps the logits of each pass."""

    def _choose(
        self, groups: list[list[Request]], logits: Tensor
    ) -> list[list[int]]:
        self.logits = [*getattr(self, "logits", []), logits]
        return super()._choose(groups, logits)


@torch.inference_mode()
def _try_out(model: PreTrainedModel) -> str | None:
    """Compare logits: a shared prefix, two prompts, two more tokens."""
    ids = [(37 * i + 11) % model.config.vocab_size for i in range(20)]
    prompts = [ids[:12], ids[:9] + ids[14:]]
    settings = Decoding(max_new_tokens=3)
    try:
        engine = _RecordingEngine(
            model, prompts, settings, 1, DEFAULT_OPTIONS
        )
        completions = engine.run(lambda _: False)
    except Exception as error:  # whatever it is, the engine cannot serve it
        return f"a first try failed: {error}"
    found = torch.stack(engine.logits, dim=1).float()
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.1
    for row, prompt in enumerate(prompts):
        text = [*prompt, *completions[row][0].token_ids[:-1]]
        own = model(torch.tensor([text], device=model.device))
        expected = own.logits[0, -3:].float()
        spread = (expected - expected.mean()).norm()
        if not (found[row] - expected).norm() <= tolerance * spread:
            return "its logits differ from those of its forward pass"
    return None
