"""Roofline of decoding: the least time that a machine needs.

Bounded by arithmetic and by bytes read (Williams, Waterman, Patterson
2009, doi:10.1145/1498765.1498785).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from unitconv.inference.engine import ForwardPass
from unitconv.inference.kv_cache import bytes_per_token

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Ceiling:
    """The machine's peak rates in one precision."""

    flops: float  #: floating point operations a second, of a product
    bandwidth: float  #: bytes a second, read from memory


@dataclass(frozen=True)
class Work:
    """The operations of a forward pass, and the bytes it must read."""

    flops: float
    bytes: float

    def seconds(self, ceiling: Ceiling) -> float:
        """Compute the least time it can take."""
        return max(
            self.flops / ceiling.flops, self.bytes / ceiling.bandwidth
        )


@torch.inference_mode()
def measure_ceiling(
    device: torch.device, dtype: torch.dtype, rounds: int = 5
) -> Ceiling:
    """Measure a large matrix product and a pass over memory."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, n, n, device=device).to(dtype)
    product = _fastest(lambda: a @ b, device, rounds)
    # Larger than any cache; a sum of float32 is limited by memory.
    numbers = torch.ones(128 * 2**20, device=device)
    read = _fastest(lambda: numbers.sum(), device, rounds)
    size = numbers.numel() * numbers.itemsize
    return Ceiling(flops=2 * n**3 / product, bandwidth=size / read)


def _fastest(
    run: Callable[[], object], device: torch.device, rounds: int
) -> float:
    """Time the fastest of `rounds` runs, after one that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def work(
    model: PreTrainedModel, forward_pass: ForwardPass, prefix: int
) -> Work:
    """Count the operations and bytes of one forward pass.

    Each weight is multiplied and added for each token, the head's only
    where a token is drawn; keys and values for each query that attends to
    them.

    Args:
        prefix: tokens that all slots share; 0 for the prefix itself.
    """
    config = model.config
    slots = len(forward_pass.prompts)
    tokens = max(slots, 1) * forward_pass.width
    head = config.vocab_size * config.hidden_size
    embedding = next(model.get_input_embeddings().parameters())
    backbone = sum(p.numel() for p in model.base_model.parameters())
    backbone -= embedding.numel()  # looked up, not multiplied
    products = backbone * tokens + head * slots
    # In a prefill a token sees half of its own prompt, on average.
    own_tokens = forward_pass.own_tokens
    attended_keys = tokens * forward_pass.width / 2
    if forward_pass.kind == "decode":
        attended_keys = own_tokens
    attended_keys += prefix * tokens
    per_token = bytes_per_token(config, model.dtype)
    group = config.num_attention_heads / config.num_key_value_heads
    products += attended_keys * group * per_token / model.dtype.itemsize
    weights = (backbone + head) * model.dtype.itemsize
    return Work(
        flops=2 * products,
        bytes=weights + (own_tokens + prefix) * per_token,
    )


def minimum_seconds(
    model: PreTrainedModel,
    passes: Iterable[ForwardPass],
    ceiling: Ceiling,
) -> float:
    """Sum the roofline lower bounds of the forward passes."""
    prefix, total = 0, 0.0
    for forward_pass in passes:
        total += work(model, forward_pass, prefix).seconds(ceiling)
        if forward_pass.kind == "prefix":
            prefix = forward_pass.width
    return total
