"""Attention over two places: the prefix all rows share, and a row's own.

Every prompt of a run opens with the same tokens (system turn, worked
example). Their keys and values are computed once, stored once, and read
once a step for all rows together: one large product instead of many small
ones. Each row then attends to its own tokens, and the two partial results
are merged as flash attention merges its blocks (Dao et al. 2022,
arXiv:2205.14135; for shared prefixes: Juravsky et al. 2024, "Hydragen",
arXiv:2402.05099).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Part(NamedTuple):
    """Attention over some of the keys, not yet divided by its weight.

    With s a query's scores over these keys: `values` is the sum of
    exp(s - top) v, `weight` the sum of exp(s - top), `top` the largest s.
    """

    values: Tensor  #: [..., queries, head_dim]
    weight: Tensor  #: [..., queries, 1]
    top: Tensor  #: [..., queries, 1]


def attend_part(
    query: Tensor,
    keys: Sequence[Tensor],
    values: Sequence[Tensor],
    mask: Tensor | None = None,
) -> Part:
    """Scaled queries [..., queries, head_dim] over keys that lie in blocks.

    Args:
        keys, values: blocks of [..., some, head_dim]; n keys in all.
        mask: added to the scores [..., queries, n]; -inf hides a key. At
            least one key of a query must be visible.
    """
    # In float32, as softmax is everywhere: bf16 keeps three digits.
    scores = torch.cat([query @ block.mT for block in keys], -1).float()
    if mask is not None:
        scores += mask
    top = scores.amax(dim=-1, keepdim=True)
    weights = (scores - top).exp_()
    weight = weights.sum(dim=-1, keepdim=True)
    shares = weights.to(query).split([v.shape[-2] for v in values], dim=-1)
    mixed = shares[0] @ values[0]
    for share, block in zip(shares[1:], values[1:], strict=True):
        mixed += share @ block
    return Part(mixed.float(), weight, top)


def merge(a: Part, b: Part) -> Tensor:
    """Attention over the keys of both parts: [..., queries, head_dim].

    exp(top) is each part's common factor; taking out the larger of the two
    keeps the exponents from overflowing.
    """
    top = torch.maximum(a.top, b.top)
    share_a, share_b = (a.top - top).exp_(), (b.top - top).exp_()
    values = a.values * share_a + b.values * share_b
    return values / (a.weight * share_a + b.weight * share_b)


def attend(
    query: Tensor,
    own: tuple[Sequence[Tensor], Sequence[Tensor]],
    mask: Tensor,
    prefix: tuple[Tensor, Tensor] | None,
    scaling: float,
) -> Tensor:
    """Attention of each row to the shared prefix and to its own tokens.

    Query heads that share a KV head become rows of one product, so keys
    and values are never repeated (grouped-query attention).

    Args:
        query: [rows, heads, width, head_dim].
        own: keys and values, each in blocks of [rows, kv_heads, some,
            head_dim]; `length` of them in all.
        mask: [rows, 1, 1, width, length], added to the scores.
        prefix: keys and values, each [kv_heads, prefix, head_dim].

    Returns:
        [rows, width, heads, head_dim], in the dtype of `query`.
    """
    rows, heads, width, head_dim = query.shape
    kv_heads = own[0][0].shape[1]
    # Nothing to merge: torch's own kernel. A CPU's takes bf16 value by
    # value, several times as long as the products below.
    in_one_piece = prefix is None and len(own[0]) == 1
    if in_one_piece and (query.is_cuda or query.dtype == torch.float32):
        return torch.nn.functional.scaled_dot_product_attention(
            query,
            own[0][0],
            own[1][0],
            attn_mask=mask[:, 0].to(query.dtype),
            scale=scaling,
            enable_gqa=heads != kv_heads,
        ).transpose(1, 2)
    queries = heads // kv_heads * width
    grouped = (query * scaling).reshape(rows, kv_heads, queries, head_dim)
    wide = mask.expand(rows, kv_heads, heads // kv_heads, width, -1)
    part = attend_part(grouped, *own, wide.flatten(2, 3))
    if prefix is None:
        mixed = part.values / part.weight
    else:
        mixed = merge(part, _over_prefix(grouped, prefix))
    mixed = mixed.view(rows, heads, width, head_dim).to(query.dtype)
    return mixed.transpose(1, 2)


def _over_prefix(grouped: Tensor, prefix: tuple[Tensor, Tensor]) -> Part:
    """The queries of all rows as one product per KV head."""
    rows, kv_heads, queries, head_dim = grouped.shape
    together = grouped.transpose(0, 1).reshape(kv_heads, -1, head_dim)
    part = attend_part(together, [prefix[0]], [prefix[1]])
    apart = (kv_heads, rows, queries, -1)
    return Part(*(t.view(apart).transpose(0, 1) for t in part))
