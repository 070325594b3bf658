"""Which models the engine can serve, and how it gets at their parts.

The engine runs a model's own matrices, with whatever adapter is in them,
in layers of its own (`unitconv.inference.old_engine.backbone`). That takes
a model whose layers are a Llama's and whose every layer sees all tokens.
"""

from __future__ import annotations

from typing import Any

#: Llama, and those who differ from it by biases, by norms of queries and
#: keys, or by layers that do not rotate.
SERVED = {"llama", "mistral", "qwen2", "qwen3", "smollm3"}


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
