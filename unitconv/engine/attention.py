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

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, scaled_dot_product_attention

from unitconv.engine.pages import Readers


class InOnePiece(NamedTuple):
    """Each row's own tokens, side by side."""

    keys: Tensor  #: [rows, kv_heads, own, head_dim]
    values: Tensor

    def scores(self, queries: Tensor) -> Tensor:
        """[rows, kv_heads, queries, head_dim] -> [..., own]."""
        return queries @ self.keys.mT

    def mixed(self, weights: Tensor) -> Tensor:
        """[rows, kv_heads, queries, own] -> [..., head_dim]."""
        return weights @ self.values


class InPages(NamedTuple):
    """Each row's own tokens, in pages that lie in any order.

    A page asks for its row, and not a row for its pages: queries and
    scores are small and move, keys and values are large and stay.
    """

    keys: Tensor  #: [pages, kv_heads, page, head_dim]
    values: Tensor
    readers: Readers

    def scores(self, queries: Tensor) -> Tensor:
        """[rows, kv_heads, queries, head_dim] -> [..., own], with a row's
        pages in their order, and any page where it has fewer."""
        table, _, row = self.readers
        by_page = queries.index_select(0, row) @ self.keys.mT
        by_row = by_page.index_select(0, table.flatten())
        by_row = by_row.unflatten(0, table.shape)
        return by_row.movedim(1, 3).flatten(3)

    def mixed(self, weights: Tensor) -> Tensor:
        """[rows, kv_heads, queries, own] -> [..., head_dim]."""
        table, place, _ = self.readers
        by_row = weights.unflatten(-1, (table.shape[1], -1)).movedim(3, 1)
        by_page = by_row.flatten(0, 1).index_select(0, place) @ self.values
        # The sum over a row's pages: a bag of them.
        total = embedding_bag(
            table,
            by_page.flatten(1),
            mode="sum",
            per_sample_weights=(table > 0).to(weights.dtype),
        )
        return total.view(*weights.shape[:3], -1)


Own = InOnePiece | InPages


class Shared(NamedTuple):
    """The prefix of all rows."""

    keys: Tensor  #: [kv_heads, prefix, head_dim]
    values: Tensor

    def scores(self, queries: Tensor) -> Tensor:
        """[rows, kv_heads, queries, head_dim] -> [..., prefix]."""
        return _for_all(queries, self.keys.mT)

    def mixed(self, weights: Tensor) -> Tensor:
        """[rows, kv_heads, queries, prefix] -> [..., head_dim]."""
        return _for_all(weights, self.values)


def attend(
    query: Tensor,
    own: Own,
    mask: Tensor,
    prefix: Shared | None,
    scaling: float,
) -> Tensor:
    """Attention of each row to the shared prefix and to its own tokens.

    Query heads that share a KV head become rows of one product, so keys
    and values are never repeated (grouped-query attention).

    Args:
        query: [rows, heads, width, head_dim].
        mask: [rows, 1, 1, width, own], added to the scores.

    Returns:
        [rows, width, heads, head_dim], in the dtype of `query`.
    """
    rows, heads, width, head_dim = query.shape
    kv_heads = own.keys.shape[1]
    # Nothing to put together: torch's own kernel. Without tiles a CPU's
    # takes bf16 value by value, several times as long as what is below.
    alone = prefix is None and isinstance(own, InOnePiece)
    fast = query.is_cuda or query.dtype == torch.float32
    if alone and (fast or computed_in_tiles(query)):
        return scaled_dot_product_attention(
            query,
            own.keys,
            own.values,
            attn_mask=mask[:, 0].to(query.dtype),
            scale=scaling,
            enable_gqa=heads != kv_heads,
        ).transpose(1, 2)
    group = heads // kv_heads
    grouped = (query * scaling).reshape(rows, kv_heads, -1, head_dim)
    wide = mask.expand(rows, kv_heads, group, width, -1).flatten(2, 3)
    shared = None if prefix is None else prefix.scores(grouped)
    weights = _softmax(own.scores(grouped), wide, shared)
    weights = weights.to(query.dtype)
    to_own = mask.shape[-1]
    mixed = own.mixed(weights[..., :to_own])
    if prefix is not None:
        mixed += prefix.mixed(weights[..., to_own:])
    return mixed.view(rows, heads, width, head_dim).transpose(1, 2)


def computed_in_tiles(tensor: Tensor) -> bool:
    """By a CPU's AMX instructions, which multiply tiles of bf16."""
    if tensor.device.type != "cpu" or tensor.dtype != torch.bfloat16:
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _softmax(own: Tensor, mask: Tensor, shared: Tensor | None) -> Tensor:
    """Over scores side by side, of which `mask` hides some of the own.

    In float32, as softmax is everywhere: bf16 keeps three digits. Each
    part is written once, masked and widened on the way to its place.
    """
    widths = [own.shape[-1], 0 if shared is None else shared.shape[-1]]
    together = torch.empty(
        (*own.shape[:-1], sum(widths)),
        dtype=torch.float32,
        device=own.device,
    )
    to_own, to_shared = together.split(widths, dim=-1)
    torch.add(own, mask, out=to_own)
    if shared is not None:
        to_shared.copy_(shared)
    return together.softmax(dim=-1)


def _for_all(rows: Tensor, shared: Tensor) -> Tensor:
    """[rows, kv_heads, queries, a] @ [kv_heads, a, b], all rows at once."""
    count, heads, queries, _ = rows.shape
    together = rows.transpose(0, 1).reshape(heads, count * queries, -1)
    product = (together @ shared).view(heads, count, queries, -1)
    return product.transpose(0, 1)
