"""The KV cache: one slot a row, written in place.

A row that finishes leaves its slot to a waiting prompt, or to the last row
if nobody waits: when a step reads, live rows are the first ones. A slot
holds a row's own tokens only, from position 0 on, with no padding inside;
the prefix all prompts share is stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Of the memory that is free: the rest is for activations and other people.
GPU_SHARE, CPU_SHARE = 0.8, 0.5
# Tokens of a block, and from how many slots on they are stored in blocks.
BLOCK, MANY = 32, 8


class CacheError(RuntimeError):
    """A cache that does not fit in memory, even with a single slot."""


@dataclass(frozen=True)
class CachePlan:
    """How large a cache is, before it is allocated."""

    slots: int
    room: int  #: tokens a slot holds
    prefix: int  #: tokens stored once for all
    bytes_per_token: int
    block: int  #: tokens of a slot that lie together

    @property
    def blocks(self) -> int:
        """Blocks a slot takes, the last one perhaps not full."""
        return -(-self.room // self.block)

    @property
    def bytes(self) -> int:
        """What all slots and the prefix take in memory."""
        tokens = self.slots * self.blocks * self.block + self.prefix
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
) -> CachePlan:
    """The largest cache of at most `slots` that fits in `budget` bytes.

    Fewer slots only mean that more requests wait.

    Raises:
        CacheError: not even `least` slots fit.
    """
    per_token = bytes_per_token(config, dtype)
    block = BLOCK if slots >= MANY else room
    rounded = -(-room // block) * block
    left = budget - prefix * per_token
    fitting = min(slots, left // (rounded * per_token))
    if fitting < least:
        need = (prefix + least * rounded) * per_token
        raise CacheError(
            f"the KV cache of one request of {prefix + room} tokens takes "
            f"{need / 1e6:.0f} MB and {max(budget, 0) / 1e6:.0f} MB may be "
            "used: shorten the prompt or max_new_tokens, or free memory"
        )
    return CachePlan(int(fitting), room, prefix, per_token, block)


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


class SlotCache:
    """Keys and values of the live rows, and of the prefix they share.

    `aim` says which rows the coming pass writes and how far it reads;
    then each layer calls `update` with its new keys and values and reads
    `own` and `prefix`.

    Many slots are stored in blocks of `BLOCK` tokens, block by block and
    not slot by slot, so that what a step reads lies in one piece: a CPU
    reads that more than twice as fast as the beginnings of 64 long slots.
    """

    def __init__(
        self, config: Any, plan: CachePlan, device: Any, dtype: torch.dtype
    ) -> None:
        layers = config.num_hidden_layers
        heads, dim = config.num_key_value_heads, head_dim(config)
        shape = (plan.blocks, plan.slots, heads, plan.block, dim)
        shared = (2, layers, heads, plan.prefix, dim)
        # Zeros, not noise: what a mask hides is multiplied by 0, and 0
        # times a NaN that happened to lie there would be a NaN.
        self.keys, self.values = torch.zeros(
            (2, layers, *shape), device=device, dtype=dtype
        )
        self.prefix_keys, self.prefix_values = torch.zeros(
            shared, device=device, dtype=dtype
        )
        self.plan = plan
        # A layer's memory as one list of heads, and where in it the head
        # of a token lies that is in slot 0.
        self._stores = [
            (keys.view(-1, dim), values.view(-1, dim))
            for keys, values in zip(self.keys, self.values, strict=True)
        ]
        self._heads = torch.arange(heads, device=device)
        self._places = torch.arange(plan.blocks * plan.block, device=device)
        block_before = self._places // plan.block * plan.block
        inside = self._places - block_before
        self._offsets = block_before * (plan.slots * heads) + inside

    def aim(
        self, slots: Tensor, starts: Tensor, width: int, length: int
    ) -> None:
        """Prepare a pass over some rows.

        Args:
            slots: [rows], where they are; 0, 1, 2, ... unless the rows
                had no tokens before, as only such look at themselves
                alone.
            starts: [rows], how many own tokens each row has already.
            width: new tokens a row.
            length: how much of each slot the pass sees, new ones included;
                as much as `width` if the rows had none before.
        """
        self._shape, self._is_prefill = (len(slots), width), length == width
        # [rows, width]: the place in its slot of each new token. Rows that
        # are done, and run on until the host looks, stay at the last one.
        places = starts[:, None] + self._places[:width]
        places = places.clamp(max=self.plan.room - 1)
        head = slots[:, None] * len(self._heads) + self._heads
        offsets = self._offsets[places][..., None]
        self._index = (head[:, None] * self.plan.block + offsets).flatten()
        self._seen = length
        if not self._is_prefill:
            self._show(length)
        self._look(places)

    def _show(self, length: int) -> None:
        """Prepare what the aimed rows see of their slots, in each layer."""
        blocks, inside = slice(None), slice(length)
        if self.plan.blocks > 1:
            count = -(-length // self.plan.block)
            self._seen = count * self.plan.block
            blocks, inside = slice(count), slice(None)
        rows, all_heads = slice(self._shape[0]), slice(None)
        part = (slice(None), blocks, rows, all_heads, inside)
        self._shown = [
            (keys.unbind(), values.unbind())
            for keys, values in zip(
                self.keys[part].unbind(),
                self.values[part].unbind(),
                strict=True,
            )
        ]

    def look_from(self, ends: Tensor) -> None:
        """From now on only the token at `ends` of each row [rows] looks."""
        self._look(ends[:, None])

    def _look(self, places: Tensor) -> None:
        hidden = self._places[: self._seen] > places[:, :, None]
        mask = torch.zeros(hidden.shape, device=places.device)
        self.mask = mask.masked_fill_(hidden, -torch.inf)[:, None, None]

    def update(self, key: Tensor, value: Tensor, layer: int) -> None:
        """Write new keys and values, [rows * width, kv_heads, head_dim]."""
        keys, values = self._stores[layer]
        keys.index_copy_(0, self._index, key.flatten(0, 1))
        values.index_copy_(0, self._index, value.flatten(0, 1))

    def own(
        self, layer: int, key: Tensor, value: Tensor
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """What the aimed rows see of their own, in parts.

        Args:
            key, value: the new ones; whole questions see nothing else.

        Returns:
            keys and values, each of [rows, kv_heads, some, head_dim].
        """
        if not self._is_prefill:
            return self._shown[layer]
        key, value = (
            new.view(*self._shape, *new.shape[1:]).transpose(1, 2)
            for new in (key, value)
        )
        return [key], [value]

    def prefix(self, layer: int) -> tuple[Tensor, Tensor] | None:
        """Keys and values, [kv_heads, prefix, head_dim], or None."""
        if not self.plan.prefix:
            return None
        return self.prefix_keys[layer], self.prefix_values[layer]

    def store_prefix(self, layers: list[tuple[Tensor, Tensor]]) -> None:
        """Keep what every prompt begins with: [1, kv_heads, prefix, dim]
        keys and values of each layer."""
        for layer, (keys, values) in enumerate(layers):
            self.prefix_keys[layer] = keys[0]
            self.prefix_values[layer] = values[0]

    def copy(self, sources: Tensor, targets: Tensor, length: int) -> None:
        """Slots `targets` become the first `length` tokens of `sources`."""
        blocks = slice(-(-length // self.plan.block))
        inside = slice(length if self.plan.blocks == 1 else None)
        for store in (self.keys, self.values):
            moved = store[:, blocks, sources, :, inside]
            store[:, blocks, targets, :, inside] = moved
