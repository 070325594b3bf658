"""Attention over a shared prefix and each sequence's own tokens.

`slot_attention` is registered with Transformers' `AttentionInterface`, so
the attention modules of any model with the standard interface call it
instead of their own function.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import threshold
from transformers import AttentionInterface

from unitconv.inference.kv_cache import SlotCache

IMPLEMENTATION = "unitconv_slots"

#: What modules pass on that does not change full causal attention.
_HARMLESS = {
    "cache_position",
    "dropout",
    "position_embeddings",
    "position_ids",
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
        mask: [rows, 1, 1, width, length], added to the own scores.
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
    if prefix is not None:
        stacked = query.transpose(0, 1).flatten(1, 2)
        on_prefix = (stacked @ prefix[0].mT).unflatten(1, (rows, -1))
        scores = torch.cat([scores, on_prefix.transpose(0, 1)], dim=-1)
    weights = scores.softmax(-1, dtype=torch.float32)
    # A CPU multiplies subnormal numbers ten times more slowly.
    weights = threshold(weights, torch.finfo(torch.float32).tiny, 0.0)
    weights = weights.to(query.dtype)
    mixed = weights[..., :length] @ values
    if prefix is not None:
        stacked = weights[..., length:].transpose(0, 1).flatten(1, 2)
        from_prefix = (stacked @ prefix[1]).unflatten(1, (rows, -1))
        mixed = mixed + from_prefix.transpose(0, 1)
    return mixed.reshape(rows, heads, width, dim).transpose(1, 2)


def slot_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend to the engine's slots; called by Transformers' modules.

    Args:
        query: [rows, heads, width, head_dim].
        key, value: [rows, kv_heads, width, head_dim], the new tokens'.
        kwargs: `scaling`, and the `slot_cache` that the engine passes to
            the model's `forward`.

    Raises:
        UnsupportedModelError: the model needs something other than full
            causal attention, or does not pass `slot_cache` on.
    """
    scaling: float = kwargs.pop("scaling", None) or query.shape[-1] ** -0.5
    cache: SlotCache | None = kwargs.pop("slot_cache", None)
    if cache is None:
        raise UnsupportedModelError("its layers drop keyword arguments")
    if attention_mask is not None or not getattr(module, "is_causal", True):
        raise UnsupportedModelError("its attention has a mask of its own")
    for name, argument in kwargs.items():
        if not (name in _HARMLESS or argument is None or argument is False):
            raise UnsupportedModelError(f"its attention uses {name!r}")
    layer = int(module.layer_idx)
    keys, values = cache.append(layer, key, value)
    prefix = cache.prefix[layer] if cache.prefix else None
    return attend(query * scaling, keys, values, cache.mask, prefix), None


AttentionInterface.register(IMPLEMENTATION, slot_attention)
