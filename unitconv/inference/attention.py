"""Attention over a shared prefix and each sequence's own tokens.

`slot_attention` is registered with Transformers' `AttentionInterface`, so
the attention modules of any model with the standard interface call it
instead of their own function. It writes the new keys and values to the
`SlotCache` and attends to what is stored there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import threshold
from transformers import AttentionInterface

from unitconv.inference.kv_cache import SlotCache

IMPLEMENTATION = "unitconv_slots"

#: Keyword arguments of attention modules that do not change the result of
#: inference with a full causal mask.
_HARMLESS = {
    "cache_position",
    "dropout",
    "output_attentions",
    "output_hidden_states",
    "position_embeddings",
    "position_ids",
    "return_dict",
    "use_cache",
}


class UnsupportedModelError(Exception):
    """Raised for a model whose attention `slot_attention` cannot serve."""


def attend(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    prefix: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """Compute softmax attention over a shared prefix and own tokens.

    The queries of all rows are multiplied with the prefix as one matrix
    (Juravsky et al. 2024, "Hydragen", arXiv:2402.05099). One softmax over
    the scores of both parts makes the result exact.

    Args:
        query: [rows, heads, width, head_dim], already scaled.
        keys, values: own tokens, [rows, kv_heads, length, head_dim].
        mask: [rows or 1, 1, 1, width, length], added to the own scores.
        prefix: keys and values, each [kv_heads, prefix, head_dim].

    Returns:
        [rows, width, heads, head_dim]
    """
    rows, heads, width, dim = query.shape
    kv_heads, length = keys.shape[1:3]
    # Grouped-query attention: the query heads that share a KV head, and
    # their tokens, are the rows of one matrix.
    query = query.reshape(rows, kv_heads, -1, dim)
    scores = (query @ keys.mT).unflatten(2, (-1, width)) + mask
    scores = scores.flatten(2, 3)
    if prefix is None:
        weights = _softmax(scores).to(query.dtype)
        mixed = weights @ values
    else:
        prefix_keys, prefix_values = prefix
        stacked = query.transpose(0, 1).flatten(1, 2)
        prefix_scores = (stacked @ prefix_keys.mT).unflatten(1, (rows, -1))
        scores = torch.cat([scores, prefix_scores.transpose(0, 1)], dim=-1)
        weights = _softmax(scores).to(query.dtype)
        stacked = weights[..., length:].transpose(0, 1).flatten(1, 2)
        mixed = (stacked @ prefix_values).unflatten(1, (rows, -1))
        mixed = mixed.transpose(0, 1) + weights[..., :length] @ values
    return mixed.reshape(rows, heads, width, dim).transpose(1, 2)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax in float32, with 0 for subnormal weights.

    A CPU multiplies subnormal numbers up to ten times more slowly.
    """
    weights = scores.softmax(-1, dtype=torch.float32)
    return threshold(weights, torch.finfo(torch.float32).tiny, 0.0)


def slot_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    slot_cache: SlotCache | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend to the slots of the engine; called by Transformers' modules.

    Args:
        query: [rows, heads, width, head_dim].
        key, value: [rows, kv_heads, width, head_dim], the new tokens'.
        slot_cache: passed to the model's `forward`, which hands it on.

    Raises:
        UnsupportedModelError: the model asks for something other than
            full causal attention, or does not hand `slot_cache` on.
    """
    if slot_cache is None:
        raise UnsupportedModelError("its layers drop keyword arguments")
    if attention_mask is not None or not getattr(module, "is_causal", True):
        raise UnsupportedModelError("its attention has a mask of its own")
    for name, argument in kwargs.items():
        if name not in _HARMLESS and argument not in (None, False):
            raise UnsupportedModelError(f"its attention uses {name!r}")
    keys, values = slot_cache.append(int(module.layer_idx), key, value)
    if scaling is None:
        scaling = query.shape[-1] ** -0.5
    prefix = (
        slot_cache.prefix[module.layer_idx] if slot_cache.prefix else None
    )
    return (
        attend(query * scaling, keys, values, slot_cache.mask, prefix),
        None,
    )


AttentionInterface.register(IMPLEMENTATION, slot_attention)
