"""Attention over a shared prefix and each sequence's own tokens.

`slot_attention` is registered with Transformers' `AttentionInterface`, so
any model with the standard interface calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

if TYPE_CHECKING:
    from unitconv.inference.kv_cache import SlotCache

IMPLEMENTATION = "unitconv_slots"

#: Arguments of the interface that do not change full causal attention.
_HARMLESS = {
    "cache_position",
    "dropout",
    "position_embeddings",
    "position_ids",
}


def attend(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    prefix: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """Compute softmax attention over a shared prefix and own tokens.

    The queries of all rows are multiplied with the prefix as one matrix
    (Juravsky et al. 2024, "Hydragen", arXiv:2402.05099).

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
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
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
        key, value: the new tokens', [rows, kv_heads, width, head_dim].
        kwargs: `scaling`, and the `slot_cache` given to `model.forward`.

    Raises:
        NotImplementedError: it is not plain full causal attention.
    """
    scaling: float = kwargs.pop("scaling", None) or query.shape[-1] ** -0.5
    cache: SlotCache | None = kwargs.pop("slot_cache", None)
    if cache is None:
        raise NotImplementedError("its layers drop keyword arguments")
    if attention_mask is not None or not getattr(module, "is_causal", True):
        raise NotImplementedError("its attention has a mask of its own")
    for name, argument in kwargs.items():
        if not (name in _HARMLESS or argument is None or argument is False):
            raise NotImplementedError(f"its attention uses {name!r}")
    layer: Any = module.layer_idx
    keys, values = cache.append(layer, key, value)
    prefix = cache.prefix[layer] if cache.prefix else None
    return attend(query * scaling, keys, values, cache.mask, prefix), None


AttentionInterface.register(IMPLEMENTATION, slot_attention)
