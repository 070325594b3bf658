"""From logits to the next token: greedy, temperature, top-p.

Sampling is reproducible row by row. The usual generator hands out noise in
the order tokens are drawn, so a row's text changes with its neighbours.
Here the noise of a token is a hash of (seed, prompt, sample number,
position) and of nothing else: the same request draws the same noise in any
batch, in any order, alone or in company.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

# The constants of SplitMix64 (after Steele, Lea, Flood 2014,
# doi:10.1145/2660193.2660195; the multipliers are D. Stafford's), as the
# signed integers torch computes with.
_STEP = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)


#: So many float32 numbers, 1 MB, and once more what is made of them fit in
#: the cache of a CPU's core.
IN_CACHE = 2**18
#: Tokens of a large vocabulary among which one is looked for by block.
BLOCK = 256
#: Tokens that one list of sums is short enough for.
SHORT = 1024
#: Probabilities looked at before a whole vocabulary is sorted.
TOP_K = 256


def row_key(seed: int, prompt_ids: Sequence[int], sample: int) -> int:
    """A 64-bit key for one row: which request is this, which sample?"""
    text = f"{seed}|{sample}|{','.join(map(str, prompt_ids))}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _shift_right(bits: Tensor, places: int) -> Tensor:
    """`>>` that fills with zeros; torch's own copies the sign bit."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def uniform(keys: Tensor, position: int | Tensor) -> Tensor:
    """One number in [0, 1) per row, a hash of its key and the position.

    Args:
        keys: int64, shape [rows], from `row_key`; or any other shape.
        position: number of tokens a row has generated so far; one number
            for all rows, or int64 of a shape that goes with `keys`.

    Returns:
        float64, the shape of `keys`.
    """
    bits = (
        keys + (position + torch.ones_like(keys)) * _STEP
    )  # wraps around at 64 bits, as it should
    bits = (bits ^ _shift_right(bits, 30)) * _MIX_1
    bits = (bits ^ _shift_right(bits, 27)) * _MIX_2
    bits = bits ^ _shift_right(bits, 31)
    return _shift_right(bits, 11).double() * 2.0**-53


def keep_top_p(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of tokens whose mass reaches `top_p`.

    Nucleus sampling (Holtzman et al. 2020, arXiv:1904.09751). Shape
    [rows, vocabulary] in and out; the rows no longer sum to one.

    Sorting a whole vocabulary is slow on a CPU, and the nucleus is mostly
    small: the largest probabilities are tried first, and only rows that
    they do not settle are sorted. A GPU sorts fast and would have to wait
    for the host to tell which rows those are.
    """
    few = min(TOP_K, probabilities.shape[-1] - 1)
    if probabilities.is_cuda or few < 1:
        return _nucleus_by_sort(probabilities, top_p)
    values, ids = probabilities.topk(few + 1, dim=-1)  # in falling order
    kept = _cut(values, top_p)
    size = (kept > 0).sum(dim=-1, keepdim=True)
    # The nucleus must end among the few, and not between two equals:
    # then it is the one with the lower id that stays.
    end = values.gather(-1, size - 1)
    after = values.gather(-1, size.clamp(max=few))
    settled = ((size <= few) & (end > after))[:, 0]
    nucleus = torch.zeros_like(probabilities).scatter(-1, ids, kept)
    if not settled.all():
        rest = probabilities[~settled]
        nucleus[~settled] = _nucleus_by_sort(rest, top_p)
    return nucleus


def _nucleus_by_sort(probabilities: Tensor, top_p: float) -> Tensor:
    ordered, ids = probabilities.sort(dim=-1, descending=True, stable=True)
    kept = _cut(ordered, top_p)
    return torch.zeros_like(probabilities).scatter(-1, ids, kept)


def _cut(ordered: Tensor, top_p: float) -> Tensor:
    """Probabilities in falling order, 0 where `top_p` is reached."""
    mass_before = ordered.cumsum(dim=-1) - ordered
    return ordered.masked_fill(mass_before >= top_p, 0.0)


def token_probabilities(
    logits: Tensor, temperature: float, top_p: float = 1.0
) -> Tensor:
    """What `sample` draws from: float32 [rows, vocabulary], sums to one."""
    # In place: what a pass leaves in memory is what a CPU waits for.
    scaled = logits.to(torch.float32, copy=True).div_(temperature)
    probabilities = torch.softmax(scaled, dim=-1)
    if top_p < 1.0:
        probabilities = keep_top_p(probabilities, top_p)
        probabilities /= probabilities.sum(dim=-1, keepdim=True)
    return probabilities


def sample(
    logits: Tensor, temperature: float, top_p: float, noise: Tensor
) -> Tensor:
    """Draw tokens for each row by inverting the cumulative distribution.

    One uniform number decides a token, whatever the vocabulary's size;
    `torch.multinomial` draws one per entry and shares a generator. On a
    CPU few rows at a time, so that what one pass makes of them is still in
    the cache for the next.

    Args:
        logits: [rows, vocabulary].
        noise: [rows], in [0, 1), from `uniform`; or [rows, n], for n
            tokens of each row.

    Returns:
        token ids, int64, the shape of `noise`.
    """
    if not len(logits):
        return torch.zeros_like(noise, dtype=torch.long)
    vocabulary = logits.shape[-1]
    few = max(1, IN_CACHE // vocabulary)
    parts = logits.split(len(logits) if logits.is_cuda else few)
    draws = noise.to(torch.float32).view(len(logits), -1)
    size = math.gcd(vocabulary, BLOCK)
    if top_p == 1.0 and vocabulary > SHORT and size > 1:
        masses = [_masses(some, temperature, size) for some in parts]
        drawn = _by_block(logits, temperature, torch.cat(masses), draws)
        return drawn.view(noise.shape)
    weights = (token_probabilities(p, temperature, top_p) for p in parts)
    shares = draws.split(len(parts[0]))
    found = [
        _invert(*both)[0] for both in zip(weights, shares, strict=True)
    ]
    return torch.cat(found).view(noise.shape)


def _by_block(
    logits: Tensor, temperature: float, masses: Tensor, draws: Tensor
) -> Tensor:
    """First draw a block, of which `masses` are given, then a token of it.

    Sums of a block are made many at a time, running sums one by one. Of
    the tokens only a block a draw is looked at again, all rows together:
    a call has a price of its own, however few its rows.

    Args:
        masses: [rows, blocks].
        draws: [rows, n], in [0, 1).

    Returns:
        [rows, n].
    """
    size = logits.shape[-1] // masses.shape[-1]
    block, rest = _invert(masses, draws)
    rows = torch.arange(len(logits), device=logits.device)[:, None]
    chosen = logits.unflatten(-1, (-1, size))[rows, block].flatten(0, 1)
    weights = token_probabilities(chosen, temperature)
    token, _ = _invert(weights, rest.view(-1, 1))
    return block * size + token.view(block.shape)


def _masses(logits: Tensor, temperature: float, size: int) -> Tensor:
    """How much each block of so many tokens weighs: [rows, blocks], in a
    row's own unit."""
    wide = logits.to(torch.float32, copy=True)
    wide.sub_(wide.amax(dim=-1, keepdim=True)).div_(temperature).exp_()
    return wide.unflatten(-1, (-1, size)).sum(dim=-1)


def _invert(weights: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Where draws fall among weights laid end to end.

    Args:
        weights: [rows, some], not all 0.
        draws: [rows, n], in [0, 1].

    Returns:
        whose weight it is, [rows, n], never one of 0; and how far into it,
        in [0, 1].
    """
    cdf = weights.cumsum(dim=-1)
    # In float32 noise may round to 1, and then point past the last one.
    below_one = draws.clamp(max=1 - 2.0**-24)
    target = (below_one * cdf[:, -1:]).contiguous()
    # right=True: a weight of zero is never drawn, not even at 0.
    found = torch.searchsorted(cdf, target, right=True)
    weight = weights.gather(-1, found)
    start = cdf.gather(-1, found) - weight
    return found, ((target - start) / weight).clamp(0, 1)


def greedy(logits: Tensor) -> Tensor:
    """The most likely token of each row: int64 [rows].

    The first of equals. A CPU looks for the place of a maximum number by
    number, and for a maximum many numbers at a time: so first for the
    block in which it is, and then for its place there.
    """
    size = math.gcd(logits.shape[-1], BLOCK)
    blocks = logits.unflatten(-1, (-1, size))
    block = _maxima(blocks).argmax(dim=-1)
    rows = torch.arange(len(logits), device=logits.device)
    return block * size + blocks[rows, block].argmax(dim=-1)


def _maxima(blocks: Tensor) -> Tensor:
    """[rows, blocks, size] -> [rows, blocks]."""
    if blocks.is_cuda or blocks.stride(-1) == 1:
        return blocks.amax(dim=-1)
    # Where rows lie in columns a CPU finds maxima of many pairs at a time,
    # and of longer lists number by number.
    while blocks.shape[-1] > 1:
        half = blocks.shape[-1] // 2
        blocks = torch.maximum(blocks[..., :half], blocks[..., half:])
    return blocks[..., 0]
