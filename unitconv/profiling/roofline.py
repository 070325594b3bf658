"""How fast this machine could decode: the roofline, measured.

A pass of the model can be no faster than its arithmetic and no faster than
the bytes it has to read (Williams, Waterman, Patterson 2009,
doi:10.1145/1498765.1498785). Both ceilings are measured here, on this
machine; what a decoder reaches is told as a share of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from unitconv.inference.old_engine import Pass
from unitconv.inference.old_engine.cache import bytes_per_token


@dataclass(frozen=True)
class Ceiling:
    """What the machine does at best, in one precision."""

    flops: float  #: floating point operations a second, of a product
    bandwidth: float  #: bytes a second, read from memory


@dataclass(frozen=True)
class Work:
    """What a pass cannot do without: operations, and bytes read."""

    flops: float
    bytes: float

    def seconds(self, ceiling: Ceiling) -> float:
        """The least time it can take."""
        return max(
            self.flops / ceiling.flops, self.bytes / ceiling.bandwidth
        )


@torch.inference_mode()
def measure_ceiling(
    device: torch.device, dtype: torch.dtype, rounds: int = 5
) -> Ceiling:
    """The best of some rounds: a large product, and a pass over memory."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, n, n, device=device).to(dtype)
    product = _best(lambda: a @ b, device, rounds)
    # Far larger than any cache of a CPU; float32, whose sum waits for
    # memory, where that of int32 is computed number by number.
    long = torch.ones(128 * 2**20, device=device)
    read = _best(lambda: long.sum(), device, rounds)
    return Ceiling(2 * n**3 / product, long.numel() * long.itemsize / read)


def _best(
    run: Callable[[], Any], device: torch.device, rounds: int
) -> float:
    """Seconds of the fastest of `rounds`, after one to warm up."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def work(model: Any, one: Pass, prefix: int) -> Work:
    """What one pass of the engine takes.

    Two operations, a product and a sum, for each weight and token; the
    head only where a next token is wanted, and of the last layer nothing
    but keys and values for a question's other tokens. Attention: as many
    for each number of a key and of a value that a query meets. Bytes: the
    weights once, the shared prefix once, and the live rows' own keys and
    values.

    Args:
        prefix: tokens that all rows share, read by "prefill" and "decode".
    """
    config = model.config
    rows = max(len(one.prompts), 1)
    tokens = rows * one.width
    # Those that pass through the whole of the last layer.
    to_the_top = tokens if one.kind == "prefix" else rows
    head = config.vocab_size * config.hidden_size
    backbone, top = _backbone_parameters(model), _last_parameters(model)
    chosen = 0 if one.kind == "prefix" else rows
    products = (backbone - top) * tokens + top * to_the_top + head * chosen
    # In a prefill a token sees half of its own prompt, on average.
    seen = one.own if one.kind == "decode" else tokens * one.width / 2
    met = seen + (0 if one.kind == "prefix" else prefix * tokens)
    if one.kind == "prefill":
        layers = config.num_hidden_layers
        met += (one.own + prefix * rows - met) / layers
    per_token = bytes_per_token(config, model.dtype)
    heads = config.num_attention_heads / config.num_key_value_heads
    products += met * heads * per_token / model.dtype.itemsize
    weights = (backbone + head) * model.dtype.itemsize
    return Work(2 * products, weights + (one.own + prefix) * per_token)


def _last_parameters(model: Any) -> int:
    """Weights of the last layer that make neither a key nor a value."""
    layer = model.base_model.layers[-1]
    keys_and_values = (layer.self_attn.k_proj, layer.self_attn.v_proj)
    needed = sum(
        p.numel() for part in keys_and_values for p in part.parameters()
    )
    return int(sum(p.numel() for p in layer.parameters()) - needed)


def _backbone_parameters(model: Any) -> int:
    """Weights of the layers: an embedding is looked up, not multiplied."""
    embedding = model.get_input_embeddings().weight
    every = sum(p.numel() for p in model.base_model.parameters())
    return int(every - embedding.numel())


def least_seconds(
    model: Any, passes: Iterable[Pass], ceiling: Ceiling
) -> float:
    """The time these passes take on a machine that wastes nothing."""
    prefix, total = 0, 0.0
    for one in passes:
        if one.kind == "prefix":
            total += work(model, one, 0).seconds(ceiling)
            prefix = one.width
        else:
            total += work(model, one, prefix).seconds(ceiling)
    return total
