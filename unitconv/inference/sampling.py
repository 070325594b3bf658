"""Sampling from logits with temperature and top-p, reproducibly.

The noise of a token is a hash of (seed, prompt, sample number, position)
alone: a request draws the same tokens in any batch and in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

# The constants of SplitMix64 (after Steele, Lea, Flood 2014,
# doi:10.1145/2660193.2660195), as torch's signed integers.
_STEP = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)

#: The largest float32 below 1.
_BELOW_ONE = 1 - 2.0**-24


def row_key(seed: int, prompt_ids: Sequence[int], sample: int) -> int:
    """Hash a request to the 64-bit key of its noise."""
    text = f"{seed}|{sample}|{','.join(map(str, prompt_ids))}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _shift_right(bits: Tensor, places: int) -> Tensor:
    """Shift bits and fill with zeros; torch's `>>` copies the sign bit."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def uniform(keys: Tensor, position: int | Tensor) -> Tensor:
    """Hash keys and positions to numbers in [0, 1].

    53 random bits are rounded to the nearest float32: MPS has no float64.

    Args:
        keys: int64, of any shape, from `row_key`.
        position: number of tokens generated so far; int64 tensors of a
            shape that broadcasts with `keys` give each key its own.

    Returns:
        float32, the shape of `keys`.
    """
    # Products and sums wrap around at 64 bits, as SplitMix64 wants it.
    bits = keys + (position + torch.ones_like(keys)) * _STEP
    bits = (bits ^ _shift_right(bits, 30)) * _MIX_1
    bits = (bits ^ _shift_right(bits, 27)) * _MIX_2
    bits = bits ^ _shift_right(bits, 31)
    return _shift_right(bits, 11).to(torch.float32) * 2.0**-53


def keep_top_p(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of tokens whose mass reaches `top_p`.

    Nucleus sampling (Holtzman et al. 2020, arXiv:1904.09751). Works on
    [rows, vocabulary] and leaves the rows unnormalized.
    """
    ordered, ids = probabilities.sort(dim=-1, descending=True, stable=True)
    mass_before = ordered.cumsum(dim=-1) - ordered
    kept = ordered.masked_fill(mass_before >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, ids, kept)


def token_probabilities(
    logits: Tensor, temperature: float, top_p: float = 1.0
) -> Tensor:
    """Compute the distribution that `sample` draws from.

    Takes logits [rows, vocabulary] of any dtype; returns float32.
    """
    scaled = logits.to(torch.float32) / temperature
    probabilities = torch.softmax(scaled, dim=-1)
    if top_p < 1.0:
        probabilities = keep_top_p(probabilities, top_p)
        probabilities /= probabilities.sum(dim=-1, keepdim=True)
    return probabilities


def sample(
    logits: Tensor, temperature: float, top_p: float, noise: Tensor
) -> Tensor:
    """Draw tokens by inverting the cumulative distribution.

    Args:
        logits: [rows, vocabulary].
        noise: [rows], or [rows, n] for n tokens of each row, in [0, 1].

    Returns:
        token ids, int64, the shape of `noise`.
    """
    probabilities = token_probabilities(logits, temperature, top_p)
    cdf = probabilities.cumsum(dim=-1)
    draws = noise.to(logits.device, torch.float32).clamp(max=_BELOW_ONE)
    target = draws.reshape(len(logits), -1) * cdf[:, -1:]
    # right=True: a probability of zero is never drawn, not even at 0.
    drawn = torch.searchsorted(cdf, target.contiguous(), right=True)
    return drawn.view(noise.shape)
