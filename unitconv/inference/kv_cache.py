"""The engine's KV cache: a memory plan, and slots written in place.

A slot holds the keys and values of one sequence's own tokens, from
position 0 on and without padding between them. The prefix that all prompts
share is stored once, beside the slots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

#: The share of the free memory that the cache may take. The rest is for
#: activations, and for the other programs of a computer.
GPU_SHARE, CPU_SHARE = 0.8, 0.5


class CacheError(UnitconvError):
    """Raised if the KV cache of a single request does not fit in memory."""


@dataclass(frozen=True)
class CachePlan:
    """The size of a KV cache, before it is allocated."""

    slots: int
    slot_tokens: int  #: tokens that one slot holds
    prefix_tokens: int  #: tokens stored once for all slots
    bytes_per_token: int

    @property
    def bytes(self) -> int:
        """Memory of all slots and of the prefix."""
        tokens = self.slots * self.slot_tokens + self.prefix_tokens
        return tokens * self.bytes_per_token

    def fit(self, budget: int, at_least: int = 1) -> CachePlan:
        """Reduce the number of slots until the plan fits in `budget` bytes.

        With fewer slots more requests wait; the tokens stay the same.

        Raises:
            CacheError: not even `at_least` slots fit.
        """
        smallest = replace(self, slots=at_least)
        if smallest.bytes > budget:
            tokens = self.prefix_tokens + self.slot_tokens
            raise CacheError(
                f"the KV cache of one request of {tokens} tokens takes "
                f"{smallest.bytes / 1e6:.0f} MB and "
                f"{max(budget, 0) / 1e6:.0f} MB may be used: shorten the "
                "prompt or max_new_tokens, or free memory"
            )
        tokens = budget // self.bytes_per_token - self.prefix_tokens
        fitting = tokens // self.slot_tokens
        return replace(self, slots=min(self.slots, fitting))

    def __str__(self) -> str:
        shared = f" and {self.prefix_tokens} shared"
        return (
            f"{self.slots} slots of {self.slot_tokens} tokens"
            f"{shared if self.prefix_tokens else ''}: "
            f"{self.bytes / 1e6:.1f} MB of KV cache"
        )


def head_dim(config: PretrainedConfig) -> int:
    """Return the length of one head's key, which a config may leave out."""
    explicit = getattr(config, "head_dim", None)
    return int(explicit or config.hidden_size // config.num_attention_heads)


def kv_heads(config: PretrainedConfig) -> int:
    """Return the number of KV heads; by default one for each query head."""
    shared = getattr(config, "num_key_value_heads", None)
    return int(shared or config.num_attention_heads)


def bytes_per_token(config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Compute the cache memory of one token: a key and a value a layer."""
    numbers = kv_heads(config) * head_dim(config)
    return int(2 * config.num_hidden_layers * numbers * dtype.itemsize)


def memory_budget(device: torch.device) -> int:
    """Return the bytes the cache may take: a share of what is free now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch has reserved and does not use is free as well.
        free += torch.cuda.memory_reserved(device)
        free -= torch.cuda.memory_allocated(device)
        return int(free * GPU_SHARE)
    import psutil

    return int(psutil.virtual_memory().available * CPU_SHARE)


class SlotCache:
    """Keys and values of all slots and of the shared prefix.

    `keys` and `values` are [layers, slots, kv_heads, slot_tokens,
    head_dim]. Before each forward pass `begin_prefill` or `begin_decode`
    says which slots its rows are in; then every layer calls `append`.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        plan: CachePlan,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        # Zeros, as uninitialised memory may hold NaN, and a masked NaN
        # would still turn the sum over all values into NaN.
        self.keys, self.values = torch.zeros(
            2,
            config.num_hidden_layers,
            plan.slots,
            kv_heads(config),
            plan.slot_tokens,
            head_dim(config),
            device=device,
            dtype=dtype,
        )
        #: for each layer, keys and values [kv_heads, prefix, head_dim]
        self.prefix: list[tuple[Tensor, Tensor]] = []
        self.layers_written = 0

    def begin_prefill(self, first_slot: int, rows: int, width: int) -> None:
        """Prepare to write `width` tokens into each of some empty slots."""
        self.is_prefill, self.layers_written = True, 0
        self.slots = slice(first_slot, first_slot + rows)
        self.length = width
        self.positions = torch.arange(width, device=self.keys.device)
        self.positions = self.positions.expand(rows, -1)
        self._set_mask(self.positions[:1])

    def begin_decode(self, lengths: list[int]) -> None:
        """Prepare to append one token to each of the first slots.

        Args:
            lengths: tokens that each slot holds already.
        """
        self.is_prefill, self.layers_written = False, 0
        self.slots = slice(0, len(lengths))
        self.length = max(lengths) + 1
        device = self.keys.device
        self.rows = torch.arange(len(lengths), device=device)
        self.positions = torch.tensor(lengths, device=device)[:, None]
        self._set_mask(self.positions)

    def _set_mask(self, positions: Tensor) -> None:
        """Hide later tokens: `mask` is [rows, 1, 1, width, length]."""
        key_positions = torch.arange(self.length, device=positions.device)
        hidden = key_positions > positions[:, None, None, :, None]
        mask = torch.zeros(hidden.shape, device=positions.device)
        self.mask = mask.masked_fill(hidden, -torch.inf)

    def append(
        self, layer: int, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Store the new tokens' keys and values in one layer.

        Args:
            key, value: [rows, kv_heads, width, head_dim].

        Returns:
            all keys and values of these slots, [rows, kv_heads, length,
            head_dim].
        """
        self.layers_written += 1
        stores = self.keys[layer], self.values[layer]
        if self.is_prefill:
            for store, new in zip(stores, (key, value), strict=True):
                store[self.slots, :, : self.length] = new
            return key, value
        for store, new in zip(stores, (key, value), strict=True):
            store[self.rows, :, self.positions[:, 0]] = new[:, :, 0]
        keys, values = (s[self.slots, :, : self.length] for s in stores)
        return keys, values

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of a slot to another slot."""
        for store in (self.keys, self.values):
            store[:, target, :, :length] = store[:, source, :, :length]
