"""Which models the engine can serve, and how it gets at their parts.

The engine keeps a model's own modules, with whatever adapter is in them,
and replaces one function: attention. That takes a model whose attention
modules look the function up by name and whose every layer sees all tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers import AttentionInterface

from unitconv.engine.attention import slot_attention

NAME = "unitconv_slots"
#: Llama and those who differ from it in their linear layers and norms only.
SERVED = {"llama", "mistral", "qwen2", "qwen3", "smollm3"}

AttentionInterface.register(NAME, slot_attention)


def why_not(model: Any) -> str | None:
    """Why the engine cannot serve this model; None if it can."""
    inner = without_adapter(model)
    config = getattr(inner, "config", None)
    kind = getattr(config, "model_type", type(inner).__name__)
    if kind not in SERVED:
        known = ", ".join(sorted(SERVED))
        return f"a model of type {kind!r} is none of {known}"
    types = set(getattr(config, "layer_types", None) or ["full_attention"])
    if types != {"full_attention"}:
        return "some of its layers see a window of the text only"
    if kind == "mistral" and getattr(config, "sliding_window", None):
        return "its attention sees a window of the text only"
    adapters = getattr(model, "peft_config", {}).values()
    odd = {str(a.peft_type.value) for a in adapters} - {"LORA"}
    return f"its adapter is {min(odd)}, not LoRA" if odd else None


def without_adapter(model: Any) -> Any:
    """The Transformers model; LoRA layers stay inside of it."""
    unwrap = getattr(model, "get_base_model", None)
    return model if unwrap is None else unwrap()


@contextmanager
def slot_attention_in(model: Any) -> Iterator[None]:
    """Let the model's attention read from a `SlotCache`, for a while."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def last_hidden(
    model: Any, input_ids: Tensor, position_ids: Tensor, cache: Any
) -> Tensor:
    """The backbone over new tokens [rows, width]: [rows, width, hidden].

    Past the model's head, which would compute the logits of every
    position where only a row's last one is wanted.
    """
    out = model.base_model(
        input_ids=input_ids,
        position_ids=position_ids,
        past_key_values=cache,
        use_cache=True,
        slots=cache,
    )
    states: Tensor = out.last_hidden_state
    return states


def logits_of(model: Any, hidden: Tensor) -> Tensor:
    """[rows, hidden] -> [rows, vocabulary]."""
    logits: Tensor = model.get_output_embeddings()(hidden)
    return logits
