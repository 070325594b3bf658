"""Attention over two places: the prefix all rows share, and a row's own.

Every prompt of a run opens with the same tokens (system turn, worked
example). Their keys and values are computed once, stored once, and read
once a step for all rows together: one large product instead of many small
ones (Juravsky et al. 2024, "Hydragen", arXiv:2402.05099). A row's scores
over both places lie side by side and pass through one softmax: they are
small, however large the keys are. A kernel that keeps no scores would merge
two results by their log-sum-exp instead (Dao et al. 2022,
arXiv:2205.14135).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


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
    # Nothing to put together: torch's own kernel. A CPU's takes bf16 value
    # by value, several times as long as the products below.
    in_one_piece = prefix is None and len(own[0]) == 1
    if in_one_piece and (query.is_cuda or query.dtype == torch.float32):
        return scaled_dot_product_attention(
            query,
            own[0][0],
            own[1][0],
            attn_mask=mask[:, 0].to(query.dtype),
            scale=scaling,
            enable_gqa=heads != kv_heads,
        ).transpose(1, 2)
    group = heads // kv_heads
    grouped = (query * scaling).reshape(rows, kv_heads, -1, head_dim)
    scores = [grouped @ block.mT for block in own[0]]
    if prefix is not None:
        scores.append(_for_all(grouped, prefix[0].mT))
    wide = mask.expand(rows, kv_heads, group, width, -1).flatten(2, 3)
    weights = _softmax(scores, wide).to(query.dtype)
    shares = weights.split([part.shape[-1] for part in scores], dim=-1)
    mixed = shares[0] @ own[1][0]
    for share, block in zip(shares[1:], own[1][1:], strict=False):
        mixed += share @ block
    if prefix is not None:
        mixed += _for_all(shares[-1], prefix[1])
    return mixed.view(rows, heads, width, head_dim).transpose(1, 2)


def _softmax(scores: list[Tensor], mask: Tensor) -> Tensor:
    """Over parts side by side, of which `mask` hides some of the first.

    In float32, as softmax is everywhere: bf16 keeps three digits.
    """
    together = torch.cat(scores, dim=-1).float()
    together[..., : mask.shape[-1]] += mask
    return together.softmax(dim=-1)


def _for_all(rows: Tensor, shared: Tensor) -> Tensor:
    """[rows, kv_heads, queries, a] @ [kv_heads, a, b], all rows at once."""
    count, heads, queries, _ = rows.shape
    together = rows.transpose(0, 1).reshape(heads, count * queries, -1)
    product = (together @ shared).view(heads, count, queries, -1)
    return product.transpose(0, 1)
