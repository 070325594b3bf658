"""The KV cache: keys and values in pages, written in place.

A slot holds a row's own tokens only, from position 0 on, with no padding
inside; the prefix all prompts share is stored once. A slot takes as many
pages as its tokens fill (Kwon et al. 2023, "PagedAttention",
arXiv:2309.06180), so a step reads what rows have, and not for each row as
much as the longest has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unitconv.common.errors import UnitconvError
from unitconv.inference.old_engine.attention import (
    InOnePiece,
    InPages,
    Own,
    Shared,
)
from unitconv.inference.old_engine.pages import Pages

# Of the memory that is free: the rest is for activations and other people.
GPU_SHARE, CPU_SHARE = 0.8, 0.5
#: Tokens of a page. Small ones waste few tokens, large ones take fewer and
#: larger products, which suit a GPU.
PAGE = {"cuda": 64, "cpu": 16}


class CacheError(UnitconvError):
    """A cache that does not fit in memory, even with a single slot."""


@dataclass(frozen=True)
class CachePlan:
    """How large a cache is, before it is allocated."""

    slots: int
    room: int  #: tokens a slot holds
    prefix: int  #: tokens stored once for all
    bytes_per_token: int
    page: int  #: tokens of a slot that lie together

    @property
    def pages_a_slot(self) -> int:
        """Pages of a full slot, the last one perhaps not full."""
        return -(-self.room // self.page)

    @property
    def pages(self) -> int:
        """Of all slots, and page 0, which is nobody's, if there are more.

        A table points to page 0 where a slot has no page.
        """
        pages = self.slots * self.pages_a_slot
        return pages + int(pages > 1)

    @property
    def bytes(self) -> int:
        """What all slots and the prefix take in memory."""
        tokens = self.pages * self.page + self.prefix
        return tokens * self.bytes_per_token

    def __str__(self) -> str:
        shared = f" and {self.prefix} shared" if self.prefix else ""
        return (
            f"{self.slots} slots of {self.room} tokens{shared}: "
            f"{self.bytes / 1e6:.1f} MB of KV cache"
        )


def plan_cache(
    config: Any,
    dtype: torch.dtype,
    slots: int,
    room: int,
    prefix: int,
    budget: int,
    least: int = 1,
    page: int = PAGE["cpu"],
) -> CachePlan:
    """The largest cache of at most `slots` that fits in `budget` bytes.

    Fewer slots only mean that more requests wait. A single slot lies in
    one piece.

    Raises:
        CacheError: not even `least` slots fit.
    """
    per_token = bytes_per_token(config, dtype)
    page = page if slots > 1 else room

    def plan(slots: int) -> CachePlan:
        return CachePlan(slots, room, prefix, per_token, page)

    need = plan(least).bytes
    if need > budget:
        raise CacheError(
            f"the KV cache of one request of {prefix + room} tokens takes "
            f"{need / 1e6:.0f} MB and {max(budget, 0) / 1e6:.0f} MB may be "
            "used: shorten the prompt or max_new_tokens, or free memory"
        )
    pages = (budget - prefix * per_token) // (page * per_token)
    # All but page 0 belong to slots.
    fitting = (pages - 1) // plan(1).pages_a_slot
    return plan(int(max(least, min(slots, fitting))))


def bytes_per_token(config: Any, dtype: torch.dtype) -> int:
    """What one token takes in the cache: a key and a value a layer."""
    numbers = config.num_key_value_heads * head_dim(config)
    return int(2 * config.num_hidden_layers * numbers * dtype.itemsize)


def head_dim(config: Any) -> int:
    """Numbers in one head's key, where a config need not say it."""
    explicit = getattr(config, "head_dim", None)
    return int(explicit or config.hidden_size // config.num_attention_heads)


def memory_budget(device: torch.device) -> int:
    """Bytes the cache may take: a share of what is free right now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch has reserved and does not use is free as well.
        free += torch.cuda.memory_reserved(device)
        free -= torch.cuda.memory_allocated(device)
        return int(free * GPU_SHARE)
    import psutil

    return int(psutil.virtual_memory().available * CPU_SHARE)


class PagedCache:
    """Keys and values of the live rows, and of the prefix they share.

    `reserve` gives slots the pages they need; `aim` says which rows the
    coming pass writes and how far it reads; then each layer calls `update`
    with its new keys and values and reads `own` and `prefix`.
    """

    def __init__(
        self, config: Any, plan: CachePlan, device: Any, dtype: torch.dtype
    ) -> None:
        layers = config.num_hidden_layers
        heads, dim = config.num_key_value_heads, head_dim(config)
        self.keys, self.values = torch.empty(
            (2, layers, plan.pages, heads, plan.page, dim),
            device=device,
            dtype=dtype,
        )
        self.prefix_keys, self.prefix_values = torch.zeros(
            (2, layers, heads, plan.prefix, dim), device=device, dtype=dtype
        )
        self.plan = plan
        self.pages = Pages(plan.slots, plan.pages_a_slot, plan.page, device)
        # The memory of a page is touched when one is needed.
        self._wiped = self.pages.end
        self._wipe(slice(0, self._wiped))
        # A layer's memory as one list of heads.
        self._stores = [
            (keys.view(-1, dim), values.view(-1, dim))
            for keys, values in zip(self.keys, self.values, strict=True)
        ]
        self._of_a_page = heads * plan.page
        self._heads = torch.arange(
            0, self._of_a_page, plan.page, device=device
        )
        self._places = torch.arange(
            plan.pages_a_slot * plan.page, device=device
        )

    def reserve(self, slots: Sequence[int], lengths: Sequence[int]) -> None:
        """Slots get the pages that so many tokens take."""
        self.pages.cover(slots, lengths)
        if self._wiped < self.pages.end:
            self._wipe(slice(self._wiped, self.pages.end))
            self._wiped = self.pages.end

    def _wipe(self, pages: slice) -> None:
        """What a mask hides is multiplied by 0, and 0 times a NaN that
        happened to lie there would be a NaN."""
        self.keys[:, pages] = 0
        self.values[:, pages] = 0

    def aim(
        self,
        slots: Tensor,
        starts: Tensor,
        width: int,
        length: int,
        pages: int | None = None,
    ) -> None:
        """Prepare a pass over some rows, whose pages are reserved.

        Args:
            slots: [rows], where they are; 0, 1, 2, ... unless the rows
                had no tokens before, as only such look at themselves
                alone.
            starts: [rows], how many own tokens each row has already.
            width: new tokens a row.
            length: how much of each slot the pass sees, new ones included;
                as much as `width` if the rows had none before.
            pages: how many of the first pages are read; by default up to
                the last one in use.
        """
        self._shape, self._is_prefill = (len(slots), width), length == width
        # [rows, width]: the place in its slot of each new token. Rows that
        # are done, and run on until the host looks, stay at the last one.
        places = starts[:, None] + self._places[:width]
        places = places.clamp(max=self.plan.room - 1)
        self._index = (self._find(slots, places) + self._heads).flatten()
        self._seen = length
        if not self._is_prefill:
            self._show(length, self.pages.end if pages is None else pages)
        self._look(places)

    def _find(self, slots: Tensor, places: Tensor) -> Tensor:
        """Where in a layer's memory the first heads of tokens lie, of
        which the places in their slots are known: [rows, width, 1]."""
        if self.plan.pages == 1:
            return places[..., None]
        size = self.plan.page
        page = self.pages.table[slots[:, None], places // size]
        return (page * self._of_a_page + places % size)[..., None]

    def _show(self, length: int, pages: int) -> None:
        """Prepare what the aimed rows see of their slots, in each layer."""
        rows, inside = self._shape[0], min(length, self.plan.page)
        part = (slice(None), slice(pages), slice(None), slice(inside))
        self._shown = [
            (keys, values)
            for keys, values in zip(
                self.keys[part].unbind(),
                self.values[part].unbind(),
                strict=True,
            )
        ]
        if self.plan.pages > 1:
            some = -(-length // self.plan.page)
            self._seen = some * inside
            self._readers = self.pages.readers(rows, some, pages)

    def look_from(self, ends: Tensor) -> None:
        """From now on only the token at `ends` of each row [rows] looks."""
        self._look(ends[:, None])

    def _look(self, places: Tensor) -> None:
        hidden = self._places[: self._seen] > places[:, :, None]
        mask = torch.zeros(hidden.shape, device=places.device)
        self.mask = mask.masked_fill_(hidden, -torch.inf)[:, None, None]
        if not self._is_prefill and self.plan.pages > 1:
            self._page_mask = self._readers.by_page(self.mask)

    def update(self, key: Tensor, value: Tensor, layer: int) -> None:
        """Write new keys and values, [rows * width, kv_heads, head_dim]."""
        keys, values = self._stores[layer]
        keys.index_copy_(0, self._index, key.flatten(0, 1))
        values.index_copy_(0, self._index, value.flatten(0, 1))

    def own(self, layer: int, key: Tensor, value: Tensor) -> Own:
        """What the aimed rows see of their own.

        Args:
            key, value: the new ones; whole questions see nothing else.
        """
        if self._is_prefill:
            keys, values = (
                new.view(*self._shape, *new.shape[1:]).transpose(1, 2)
                for new in (key, value)
            )
        else:
            keys, values = self._shown[layer]
        if self._is_prefill or self.plan.pages == 1:
            return InOnePiece(keys, values, self.mask)
        return InPages(keys, values, self._readers, self._page_mask)

    def prefix(self, layer: int) -> Shared | None:
        """What all rows see."""
        if not self.plan.prefix:
            return None
        return Shared(self.prefix_keys[layer], self.prefix_values[layer])

    def store_prefix(self, layers: list[tuple[Tensor, Tensor]]) -> None:
        """Keep what every prompt begins with: [1, kv_heads, prefix, dim]
        keys and values of each layer."""
        for layer, (keys, values) in enumerate(layers):
            self.prefix_keys[layer] = keys[0]
            self.prefix_values[layer] = values[0]

    def copy(
        self, sources: list[int], targets: list[int], lengths: list[int]
    ) -> None:
        """Slots become what the first tokens of others are."""
        for target in targets:
            self.pages.release(target)
        self.reserve(targets, lengths)
        pages = self.pages.of
        pairs = [
            pair
            for source, target in zip(sources, targets, strict=True)
            for pair in zip(pages[source], pages[target], strict=False)
        ]
        self._copy(pairs)

    def close_up(self) -> None:
        """Pages in use move together, if many between them are not."""
        self._copy(self.pages.close_up())

    def _copy(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Of pages: from the first of each pair to the second. No page is
        both."""
        for store in (self.keys, self.values):
            if store.is_cuda and pairs:
                sources, targets = map(list, zip(*pairs, strict=True))
                store[:, targets] = store[:, sources]
                continue
            # One call for all pages takes a CPU five times as long.
            for source, target in pairs:
                store[:, target] = store[:, source]
