"""Generation for many prompts: by the engine where it can."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from unitconv.common.errors import UnitconvError
from unitconv.inference.engine import Engine, EngineOptions
from unitconv.inference.reference import (
    GREEDY,
    Completion,
    Decoding,
    StopRule,
    generate_batched,
)

DEFAULT_OPTIONS = EngineOptions()
#: Models that were tried out, and why the engine cannot decode them.
_REASONS: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    stop: StopRule,
    settings: Decoding = GREEDY,
    num_return_sequences: int = 1,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> list[list[Completion]]:
    """Continue all prompts, `options.slots` sequences at a time.

    A model that the engine cannot decode is given to `generate_batched`,
    after a warning that says why.

    Returns:
        for each prompt, in order, `num_return_sequences` completions.

    Raises:
        ContextError: a prompt is empty or longer than the context.
        CacheError: the cache of not even one request fits in memory.
        UnitconvError: `num_return_sequences` or `slots` is below 1.
    """
    n = num_return_sequences
    if min(n, options.slots) < 1:
        raise UnitconvError(
            "num_return_sequences and slots must be at least 1"
        )
    if not prompts:
        return []
    if reason := why_unsupported(model):
        warnings.warn(
            f"decoding without the engine: {reason}", stacklevel=2
        )
        return generate_in_batches(
            model, prompts, stop, settings, n, options
        )
    inner = without_adapter(model)
    return Engine(inner, prompts, settings, n, options).run(stop)


def generate_in_batches(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    stop: StopRule,
    settings: Decoding = GREEDY,
    num_return_sequences: int = 1,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> list[list[Completion]]:
    """Call `generate_batched` for batches of prompts of like length."""
    limits = options.limits or [settings.max_new_tokens] * len(prompts)
    settings = replace(settings, max_new_tokens=max(limits, default=1))
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    batch_size = max(1, options.slots // num_return_sequences)
    results: list[list[Completion]] = [[] for _ in prompts]
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        chosen = [prompts[i] for i in batch]
        done = generate_batched(
            model, chosen, stop, settings, num_return_sequences
        )
        for i, row in zip(batch, done, strict=True):
            for completion in row:
                ids = completion.token_ids[: limits[i]]
                whole = ids == completion.token_ids
                finished = completion.finished and whole
                results[i].append(Completion(ids, finished))
        if options.progress is not None:
            options.progress(len(batch))
    return results


def without_adapter(model: PreTrainedModel) -> PreTrainedModel:
    """Return the Transformers model; LoRA layers stay inside of it."""
    return getattr(model, "get_base_model", lambda: model)()


def why_unsupported(model: PreTrainedModel) -> str | None:
    """Return the reason why the engine cannot decode a model, or None."""
    adapters = getattr(model, "peft_config", {}).values()
    if other := {str(a.peft_type.value) for a in adapters} - {"LORA"}:
        return f"its adapter is {min(other)}, not LoRA"
    inner = without_adapter(model)
    if not isinstance(inner, PreTrainedModel):
        return f"a {type(inner).__name__} is no Transformers model"
    # Wrong in long texts only, which the comparison cannot see.
    layers = getattr(inner.config, "layer_types", None) or []
    rope = str(getattr(inner.config, "rope_parameters", None))
    if set(layers) - {"full_attention"} or inner._is_stateful:
        return "some of its layers do not attend to all tokens"
    if "'dynamic'" in rope or "'longrope'" in rope:
        return "its positions depend on the longest text of a batch"
    if inner not in _REASONS:
        _REASONS[inner] = _compare_logits(inner)
    return _REASONS[inner]


@torch.inference_mode()
def _compare_logits(model: PreTrainedModel) -> str | None:
    """Compare the engine's logits with those of the model's own attention.

    Two prompts share a prefix of nine tokens and decode two steps.
    """
    ids = [(37 * i + 11) % model.config.vocab_size for i in range(20)]
    prompts = [ids[:12], ids[:9] + ids[14:]]
    settings = Decoding(max_new_tokens=3)
    passes: list[Tensor] = []
    hook = model.register_forward_hook(
        lambda _, __, out: passes.append(out.logits[:, 0])
    )
    try:
        engine = Engine(model, prompts, settings, 1, DEFAULT_OPTIONS)
        completions = engine.run(lambda _: False)
    except Exception as error:  # whatever it is, the engine cannot run
        return f"a first try failed: {error}"
    finally:
        hook.remove()
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.1
    for row, [completion] in enumerate(completions):
        text = torch.tensor([prompts[row] + completion.token_ids[:-1]])
        expected = model(text.to(model.device)).logits[0, -1].float()
        off = (passes[-1][row] - expected).norm()
        if not off <= tolerance * (expected - expected.mean()).norm():
            return "its logits differ from those of its own attention"
    return None
