"""How much memory a stage needs: computed from shapes, not measured.

Models stand here on torch's *meta* device, which knows the shape of every
tensor and none of its numbers: a model that no laptop could hold is built
in a second. What a GPU's allocator rounds up, and what its kernels borrow
for a moment, is in none of these numbers; leave some room for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from unitconv.inference.kv_cache import CachePlan
from unitconv.training.config import TrainingSettings
from unitconv.training.lora import add_lora, fit_budget, lora_parameters

Parts = dict[str, int]  # bytes, by what they are for
# AdamW keeps two numbers for each learned one, beside its gradient; all of
# them in float32.
LEARNED = 4 * 4
_SHARED = {
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}


def _rope(theta: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


# The public config.json of HuggingFaceTB/SmolLM2-135M, -360M and -1.7B.
SMOLLM2: dict[str, dict[str, Any]] = {
    "135M": _SHARED
    | {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "rope_parameters": _rope(100_000.0),
    },
    "360M": _SHARED
    | {
        "hidden_size": 960,
        "intermediate_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "rope_parameters": _rope(100_000.0),
    },
    "1.7B": _SHARED
    | {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "rope_parameters": _rope(130_000.0),
    },
}


def shape_only(config: Any, dtype: torch.dtype) -> Any:
    """A model of this configuration without a single number in it."""
    with torch.device("meta"):
        model: Any = LlamaForCausalLM(config)
    return model.to(dtype)


def smollm2(size: str) -> LlamaConfig:
    """The configuration of a SmolLM2: "135M", "360M" or "1.7B"."""
    return LlamaConfig(**SMOLLM2[size])


def decoding_parts(model: Any, plan: CachePlan) -> Parts:
    """What a run of the engine keeps: the weights, and its cache."""
    return {"weights": _weights(model), "KV cache": plan.bytes}


def training_parts(
    config: Any, dtype: torch.dtype, settings: TrainingSettings, length: int
) -> Parts:
    """What a training step keeps at its fullest, where backward begins.

    With checkpointing each layer keeps its input, and one layer at a time
    is computed again. Computed without autocast, which would keep some of
    the activations in half the bytes: the numbers are on the safe side.

    Args:
        length: tokens a row, padded.
    """
    model = shape_only(config, dtype)
    weights = _weights(model)  # before PEFT puts its own into it
    settings = fit_budget(model, settings)
    learned = LEARNED * lora_parameters(model, settings.rank)
    rows = settings.batch_size
    every = replace(settings, gradient_checkpointing=False)
    kept = saved_bytes(add_lora(model, every), rows, length)
    if settings.gradient_checkpointing:
        spared = add_lora(shape_only(config, dtype), settings)
        inputs = saved_bytes(spared, rows, length)
        kept = inputs + (kept - inputs) // config.num_hidden_layers
    logits = rows * length * config.vocab_size
    return {
        "weights": weights,
        "LoRA and AdamW": learned,
        "activations": kept,
        # The model's output, and its gradient in float32.
        "logits": logits * (dtype.itemsize + 4),
    }


def saved_bytes(model: Any, rows: int, length: int) -> int:
    """Bytes that a forward pass keeps for backward, parameters aside.

    On any device; on `meta` nothing is computed, and the count is the same.
    """
    model.train()
    device = next(model.parameters()).device
    tokens = torch.zeros(rows, length, dtype=torch.long, device=device)
    own = {_block(p) for p in model.parameters()}
    found: dict[int, int] = {}
    alive = []  # else a later block could take the place of an earlier one

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if _block(tensor) not in own:
            found[_block(tensor)] = tensor.untyped_storage().nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        model(
            input_ids=tokens,
            labels=tokens,
            attention_mask=_causal_mask(model, rows, length, device),
            use_cache=False,
        )
    return sum(found.values())


def _block(tensor: torch.Tensor) -> int:
    """Which memory a tensor lies in: many may look into one block."""
    return int(tensor.untyped_storage()._cdata)


def _causal_mask(
    model: Any, rows: int, length: int, device: torch.device
) -> torch.Tensor:
    """[rows, 1, length, length], added to the scores.

    Ready-made: to make its own, a model looks at numbers, of which `meta`
    has none.
    """
    hidden = torch.full(
        (length, length),
        float("-inf"),
        device=device,
        dtype=next(model.parameters()).dtype,
    )
    return hidden.triu(1).expand(rows, 1, length, length)


def _weights(model: Any) -> int:
    return sum(p.numel() * p.itemsize for p in model.parameters())
