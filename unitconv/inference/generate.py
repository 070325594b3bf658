"""`generate`: one call for many prompts, by the engine where it can."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unitconv.inference.engine import Engine, EngineOptions
from unitconv.inference.reference import (
    GREEDY,
    Completion,
    Decoding,
    StopRule,
    generate_batched,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
            results[i] = completions
        if options.progress is not None:
            options.progress(len(batch))
    return results


def without_adapter(model: Any) -> Any:
    """Return the Transformers model; LoRA layers stay inside of it."""
    unwrap = getattr(model, "get_base_model", None)
    return model if unwrap is None else unwrap()


def why_unsupported(model: Any) -> str | None:
    """Say why the engine cannot serve a model; None if it can.

    Configurations that only long texts or batches would show to be wrong
    are refused by name. Everything else is tried: the engine's logits must
    be those of the model's own forward pass.
    """
    adapters = getattr(model, "peft_config", {}).values()
    if other := {str(a.peft_type.value) for a in adapters} - {"LORA"}:
        return f"its adapter is {min(other)}, not LoRA"
    model = without_adapter(model)
    if model not in _REASONS:
        _REASONS[model] = _refused(model) or _tried(model)
    return _REASONS[model]


def _refused(model: Any) -> str | None:
    config = model.config
    layers = set(getattr(config, "layer_types", None) or [])
    if layers - {"full_attention"}:
        return "some of its layers do not see all tokens"
    if getattr(model, "_is_stateful", False):
        return "its layers keep a state other than keys and values"
    rope = str(getattr(config, "rope_parameters", None))
    if "'dynamic'" in rope or "'longrope'" in rope:
        return "its positions depend on the longest text of a batch"
    return None


class _Probe(Engine):
    """An engine that records its logits."""

    def _choose(
        self, groups: list[list[Any]], logits: Tensor
    ) -> list[list[int]]:
        self.__dict__.setdefault("logits", []).append(logits)
        return super()._choose(groups, logits)


def _tried(model: Any) -> str | None:
    """Compare logits: a shared prefix, two prompts, two more tokens."""
    size = min(model.config.vocab_size, 1000)
    ids = [(37 * i + 11) % size for i in range(20)]
    prompts = [ids[:12], [*ids[:9], *ids[14:20]]]
    try:
        probe = _Probe(
            model, prompts, Decoding(max_new_tokens=3), 1, EngineOptions()
        )
        completions = probe.run(lambda _: False)
    except Exception as error:
        return f"a first try failed: {error}"
    found = torch.stack(probe.__dict__["logits"], dim=1)
    for row, (prompt, [done]) in enumerate(zip(prompts, completions)):
        text = torch.tensor(
            [prompt + done.token_ids[:-1]], device=model.device
        )
        with torch.inference_mode():
            expected = model(input_ids=text, logits_to_keep=3).logits[0]
        error = (found[row].float() - expected.float()).norm()
        spread = (expected.float() - expected.float().mean()).norm()
        if error > (1e-3 if model.dtype == torch.float32 else 0.1) * spread:
            return "its logits differ from those of its own forward pass"
    return None
