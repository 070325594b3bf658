"""KV cache of the engine: a memory plan, and slots written in place.

A slot holds the keys and values of one sequence's own tokens. The prefix
that all prompts share is stored once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

#: The share of the free memory that the cache may take; the rest is for
#: activations and other programs.
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

    def fit(self, budget: int) -> CachePlan:
        """Reduce the number of slots until the plan fits in `budget` bytes.

        Raises:
            CacheError: not even one slot fits.
        """
        tokens = budget // self.bytes_per_token - self.prefix_tokens
        slots = min(self.slots, tokens // self.slot_tokens)
        if slots < 1:
            raise CacheError(
                "the KV cache of one request of "
                f"{self.prefix_tokens + self.slot_tokens} tokens takes "
                f"{replace(self, slots=1).bytes / 1e6:.0f} MB and "
                f"{max(budget, 0) / 1e6:.0f} MB may be used: shorten the "
                "prompt or max_new_tokens, or free memory"
            )
        return replace(self, slots=slots)

    def __str__(self) -> str:
        shared = f" and {self.prefix_tokens} shared"
        return (
            f"{self.slots} slots of {self.slot_tokens} tokens"
            f"{shared if self.prefix_tokens else ''}: "
            f"{self.bytes / 1e6:.1f} MB of KV cache"
        )


def kv_shape(config: PretrainedConfig) -> tuple[int, int]:
    """Return the number of a layer's KV heads and their dimension."""
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    head_dim = getattr(config, "head_dim", None)
    return int(kv_heads), int(head_dim or config.hidden_size // heads)


def bytes_per_token(config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Compute the cache memory of one token: a key and a value a layer."""
    kv_heads, head_dim = kv_shape(config)
    numbers = 2 * config.num_hidden_layers * kv_heads * head_dim
    return int(numbers * dtype.itemsize)


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
    head_dim]. Call `begin_pass` before each forward pass; then every layer
    calls `append`.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        plan: CachePlan,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        kv_heads, dim = kv_shape(config)
        layers = config.num_hidden_layers
        shape = (2, layers, plan.slots, kv_heads, plan.slot_tokens, dim)
        # Zeros: uninitialised memory may hold NaN, and 0 times NaN is NaN.
        self.keys, self.values = torch.zeros(
            shape, device=device, dtype=dtype
        )
        #: for each layer, keys and values [kv_heads, prefix, head_dim]
        self.prefix: list[tuple[Tensor, Tensor]] = []

    def begin_pass(
        self, first_slot: int, lengths: list[int], width: int
    ) -> None:
        """Prepare to append `width` tokens to slots from `first_slot` on.

        Args:
            lengths: tokens that each of the slots holds already.
        """
        device = self.keys.device
        self.length = max(lengths) + width
        self.slots = slice(first_slot, first_slot + len(lengths))
        self.rows = torch.arange(len(lengths), device=device)[:, None]
        self.positions = torch.tensor(lengths, device=device)[:, None]
        self.positions = self.positions + torch.arange(width, device=device)
        # [rows, 1, 1, width, length]: later tokens are hidden.
        key_positions = torch.arange(self.length, device=device)
        hidden = key_positions > self.positions[:, None, None, :, None]
        mask = torch.zeros(hidden.shape, device=device)
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
        keys = self.keys[layer, self.slots]
        values = self.values[layer, self.slots]
        keys[self.rows, :, self.positions] = key.transpose(1, 2)
        values[self.rows, :, self.positions] = value.transpose(1, 2)
        return keys[:, :, : self.length], values[:, :, : self.length]

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of a slot to another slot."""
        for store in (self.keys, self.values):
            store[:, target, :, :length] = store[:, source, :, :length]
