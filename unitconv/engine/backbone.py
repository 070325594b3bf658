"""The model's layers, for the one use this engine has.

Transformers' modules serve every model and every use, and ask in each
layer again for masks, caches and kernels. Here are the same layers without
that. Only the norms, the rotation and attention are written anew; every
matrix is applied by the model's own module, with whatever adapter is in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import rms_norm

from unitconv.engine.attention import attend
from unitconv.engine.cache import SlotCache


class Rotation(NamedTuple):
    """What turns queries and keys by their positions: [tokens, 1, dim]."""

    cos: Tensor
    sin: Tensor  #: the first half negated


def run_backbone(
    model: Any, input_ids: Tensor, position_ids: Tensor, cache: SlotCache
) -> Tensor:
    """All layers over new tokens [rows, width]: [rows, width, hidden].

    The head is left to `logits_of`: it would compute the logits of every
    position where only a row's last one is wanted. `cache` has been aimed
    at these rows, and holds their keys and values afterwards.
    """
    inner = model.base_model
    # To everything but attention a batch is a list of tokens.
    hidden = inner.embed_tokens(input_ids.flatten())
    rotation = turns(inner.rotary_emb, hidden, position_ids)
    for number, layer in enumerate(inner.layers):
        seen = normed(layer.input_layernorm, hidden)
        hidden += self_attention(
            *(layer.self_attn, seen, rotation),
            *(cache, number, input_ids.shape),
        )
        seen = normed(layer.post_attention_layernorm, hidden)
        hidden += layer.mlp(seen)
    return normed(inner.norm, hidden).view(*input_ids.shape, -1)


def turns(rotary: Any, hidden: Tensor, position_ids: Tensor) -> Rotation:
    """Cosines and sines of the positions, once for all layers."""
    cos, sin = rotary(hidden, position_ids)
    dim = cos.shape[-1]
    sin = torch.cat([-sin[..., : dim // 2], sin[..., dim // 2 :]], dim=-1)
    return Rotation(cos.view(-1, 1, dim), sin.view(-1, 1, dim))


def rotated(heads: Tensor, rotation: Rotation) -> Tensor:
    """Each pair (i, i + dim / 2) of [tokens, heads, dim] turned (Su et al.
    2021, arXiv:2104.09864)."""
    other = heads.roll(heads.shape[-1] // 2, dims=-1)
    return (heads * rotation.cos).addcmul_(other, rotation.sin)


def normed(module: Any, hidden: Tensor) -> Tensor:
    """RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467)."""
    shape = (hidden.shape[-1],)
    return rms_norm(hidden, shape, module.weight, module.variance_epsilon)


def self_attention(
    attn: Any,
    hidden: Tensor,
    rotation: Rotation,
    cache: SlotCache,
    layer: int,
    shape: torch.Size,
) -> Tensor:
    """Attention to the prefix and to a row's own: [tokens, hidden].

    Args:
        shape: [rows, width], what the tokens are.
    """
    query, key, value = (
        module(hidden).view(len(hidden), -1, attn.head_dim)
        for module in (attn.q_proj, attn.k_proj, attn.v_proj)
    )
    if hasattr(attn, "q_norm"):  # Qwen3
        query, key = normed(attn.q_norm, query), normed(attn.k_norm, key)
    if getattr(attn, "use_rope", True):  # not in every layer of SmolLM3
        query, key = rotated(query, rotation), rotated(key, rotation)
    query, key, value = (
        heads.view(*shape, -1, attn.head_dim).transpose(1, 2)
        for heads in (query, key, value)
    )
    cache.update(key, value, layer)
    mixed = attend(
        query,
        cache.own(layer, key, value),
        cache.mask,
        cache.prefix(layer),
        attn.scaling,
    )
    out: Tensor = attn.o_proj(mixed.reshape(len(hidden), -1))
    return out
