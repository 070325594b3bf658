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

from unitconv.inference.old_engine.pages import Readers
from unitconv.inference.old_engine.products import computed_in_tiles


class InOnePiece(NamedTuple):
    """Each row's own tokens, side by side."""

    keys: Tensor  #: [rows, kv_heads, own, head_dim]
    values: Tensor
    mask: Tensor  #: [rows, 1, 1, width, own], added to the scores

    @property
    def length(self) -> int:
        """Tokens of which each row has a score."""
        return self.keys.shape[2]

    def score(self, queries: Tensor, out: Tensor) -> None:
        """[rows, kv_heads, queries, head_dim] -> [..., own], masked."""
        masked(queries @ self.keys.mT, self.mask, out)

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
    mask: Tensor  #: [pages, 1, 1, width, page], added to the scores

    @property
    def length(self) -> int:
        """Tokens of which each row has a score, hidden ones included."""
        return self.readers.table.shape[1] * self.keys.shape[2]

    def score(self, queries: Tensor, out: Tensor) -> None:
        """[rows, kv_heads, queries, head_dim] -> [..., own], masked, with
        a row's pages in their order, and nothing where it has fewer."""
        table, _, row = self.readers
        by_page = self._scores(queries.index_select(0, row))
        seen = out.new_empty(by_page.shape)
        masked(by_page, self.mask, seen)
        by_row = seen.index_select(0, table.flatten())
        by_row = by_row.unflatten(0, table.shape).movedim(1, 3)
        out.unflatten(-1, by_row.shape[3:]).copy_(by_row)

    def _scores(self, queries: Tensor) -> Tensor:
        if computed_in_tiles(self.keys):
            # The second matrix is put into the order of tiles: the small.
            return (self.keys @ queries.mT).mT
        return queries @ self.keys.mT

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


def masked(scores: Tensor, mask: Tensor, out: Tensor) -> None:
    """Scores [some, kv_heads, queries, own] and a mask, which is the same
    for all heads, put where they belong."""
    heads = (-1, mask.shape[3])
    there = out.unflatten(2, heads)
    torch.add(scores.unflatten(2, heads), mask, out=there)


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


def attend(query: Tensor, own: Own, prefix: Shared | None) -> Tensor:
    """Attention of each row to the shared prefix and to its own tokens.

    Query heads that share a KV head become rows of one product, so keys
    and values are never repeated (grouped-query attention).

    Args:
        query: [rows, heads, width, head_dim], scaled.

    Returns:
        [rows, width, heads, head_dim], in the dtype of `query`.
    """
    rows, heads, width, head_dim = query.shape
    kv_heads = own.keys.shape[1]
    # Nothing to put together: torch's own kernel. Without tiles a CPU's
    # takes bf16 value by value, several times as long as what is below.
    fast = query.is_cuda or query.dtype == torch.float32
    fast = fast or computed_in_tiles(query)
    if fast and prefix is None and isinstance(own, InOnePiece):
        return scaled_dot_product_attention(
            query,
            own.keys,
            own.values,
            attn_mask=own.mask[:, 0].to(query.dtype),
            scale=1.0,
            enable_gqa=heads != kv_heads,
        ).transpose(1, 2)
    grouped = query.reshape(rows, kv_heads, -1, head_dim)
    weights = _weights(grouped, own, prefix)
    mixed = own.mixed(weights[..., : own.length])
    if prefix is not None:
        mixed += prefix.mixed(weights[..., own.length :])
    return mixed.view(rows, heads, width, head_dim).transpose(1, 2)


def _weights(queries: Tensor, own: Own, prefix: Shared | None) -> Tensor:
    """[rows, kv_heads, queries, head_dim] -> [..., own + prefix].

    The softmax is over scores side by side, in float32, as it is
    everywhere: bf16 keeps three digits. Each part is written once, masked
    and widened on the way to its place.
    """
    widths = [own.length, 0 if prefix is None else prefix.keys.shape[1]]
    together = torch.empty(
        (*queries.shape[:3], sum(widths)),
        dtype=torch.float32,
        device=queries.device,
    )
    to_own, to_shared = together.split(widths, dim=-1)
    own.score(queries, to_own)
    if prefix is not None:
        to_shared.copy_(prefix.scores(queries))
    weights = together.softmax(dim=-1)
    if not (queries.is_cuda or computed_in_tiles(queries)):
        without_subnormals(weights)
    return weights.to(queries.dtype)


def without_subnormals(weights: Tensor) -> None:
    """Numbers below the smallest normal one become 0, in place.

    Such a weight adds nothing to a sum that other weights reach, and most
    CPUs take a hundred times as long to multiply it. Where scores lie far
    apart, as in the course model, there are many.
    """
    torch.threshold_(weights, torch.finfo(weights.dtype).tiny, 0.0)


def _for_all(rows: Tensor, shared: Tensor) -> Tensor:
    """[rows, kv_heads, queries, a] @ [kv_heads, a, b], all rows at once."""
    count, heads, queries, _ = rows.shape
    together = rows.transpose(0, 1).reshape(heads, count * queries, -1)
    product = (together @ shared).view(heads, count, queries, -1)
    return product.transpose(0, 1)
