"""Sampling, against the formulas written out in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unitconv.inference.sampling import (
    keep_top_p,
    row_key,
    sample,
    token_probabilities,
    uniform,
)

MASK = (1 << 64) - 1
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
LOGITS = [2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -2.0, -3.0, 0.25]
DRAWS = 20_000


def splitmix64(state: int, draw: int) -> int:
    """Output number `draw`, counted from 0, of a generator so seeded."""
    state = (state + (draw + 1) * 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def softmax(logits: Sequence[float], temperature: float) -> list[float]:
    weights = [math.exp(logit / temperature) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def nucleus(probabilities: Sequence[float], top_p: float) -> set[int]:
    """Take the most likely token left until the mass is reached."""
    left = sorted(
        range(len(probabilities)), key=lambda i: (-probabilities[i], i)
    )
    kept: set[int] = set()
    while math.fsum(probabilities[i] for i in kept) < top_p and left:
        kept.add(left.pop(0))
    return kept


def noise(count: int, seed: int = 0) -> Tensor:
    keys = [row_key(seed, [1, 2, 3], i) for i in range(count)]
    return uniform(torch.tensor(keys), position=0)


def chi_square_p(counts: Sequence[int], expected: Sequence[float]) -> float:
    """Pearson's test; the tail is a regularized incomplete gamma."""
    cells = [(c, e) for c, e in zip(counts, expected, strict=True) if e > 0]
    statistic = sum((c - e) ** 2 / e for c, e in cells)
    half = torch.tensor([(len(cells) - 1) / 2, statistic / 2]).double()
    return float(torch.special.gammaincc(half[0], half[1]))


# ------------------------------------------------------------- the noise


def test_splitmix64_gives_the_published_numbers() -> None:
    """The reference below is right: Vigna's output for seed 1234567."""
    assert [splitmix64(1234567, i) for i in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(st.lists(INT64, min_size=1, max_size=8), st.integers(0, 10_000))
def test_uniform_is_splitmix64(keys: list[int], position: int) -> None:
    found = uniform(torch.tensor(keys), position)
    bits = [splitmix64(k & MASK, position) >> 11 for k in keys]
    expected = torch.tensor([b / 2**53 for b in bits], dtype=torch.float64)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected.float())


REQUEST = st.tuples(
    st.integers(0, 200),
    st.lists(st.integers(0, 200), max_size=4),
    st.integers(0, 200),
)


@given(REQUEST, REQUEST)
def test_row_keys_differ_where_requests_differ(
    a: tuple[int, list[int], int], b: tuple[int, list[int], int]
) -> None:
    assert (row_key(*a) == row_key(*b)) == (a == b)


def test_row_keys_are_the_same_on_every_machine() -> None:
    """Recorded samples can be drawn again: the key is no salted hash.

    `printf '7|3|19556,905' | b2sum -l 64` gives 9c2c1daf3c4292c8.
    """
    assert row_key(0, [1, 2], 0) == row_key(0, (1, 2), 0)
    digest = bytes.fromhex("9c2c1daf3c4292c8")
    key = row_key(7, [19556, 905], 3)
    assert key.to_bytes(8, "little", signed=True) == digest


# ------------------------------------------------------------ the tokens


@pytest.mark.parametrize("temperature", [0.5, 0.8, 2.0])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.8, 0.95, 1.0])
def test_frequencies_match_the_nucleus(
    temperature: float, top_p: float
) -> None:
    logits = torch.tensor([LOGITS]).expand(DRAWS, -1)
    ids = sample(logits, temperature, top_p, noise(DRAWS))
    counts = ids.bincount(minlength=len(LOGITS)).tolist()
    full = softmax(LOGITS, temperature)
    kept = nucleus(full, top_p)
    mass = sum(full[i] for i in kept)
    expected = [
        DRAWS * p / mass if i in kept else 0.0 for i, p in enumerate(full)
    ]
    assert all(i in kept for i, count in enumerate(counts) if count)
    if len(kept) > 1:
        assert chi_square_p(counts, expected) > 0.001


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any),
    st.integers(1, 99),
)
def test_keep_top_p_is_the_smallest_set(
    weights: list[int], percent: int
) -> None:
    total = sum(weights)
    probabilities = torch.tensor([[w / total for w in weights]]).double()
    # Half a grain off any boundary, where rounding would decide.
    top_p = percent / 100 + 0.5 / total / 1000
    kept = keep_top_p(probabilities, top_p)[0]
    want = nucleus(probabilities[0].tolist(), top_p)
    assert {i for i, p in enumerate(kept.tolist()) if p > 0} == {
        i for i in want if weights[i] > 0
    }
    for i in want:  # what is kept keeps its probability
        assert kept[i] == probabilities[0, i]


def test_probability_zero_is_never_drawn() -> None:
    """Not at the ends, where an inverse CDF may slip: 0, and almost 1."""
    nothing = -math.inf
    rows = [
        [nothing, 0.0, nothing, 0.0, nothing],
        [nothing, nothing, 0.0, nothing, nothing],
        [0.0, 0.0, 0.0, nothing, nothing],
    ]
    almost_one = 1 - 2.0**-53  # the largest number `uniform` can give
    for u in [0.0, 2.0**-53, 0.25, 0.5, 0.75, 1 - 2.0**-24, almost_one]:
        for top_p in (1.0, 0.99, 0.3):
            logits = torch.tensor(rows)
            ids = sample(logits, 1.0, top_p, torch.full((3,), u).double())
            picked = logits.gather(1, ids[:, None])
            assert picked.isfinite().all(), (u, top_p, ids)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_sampled_in_float32(
    dtype: torch.dtype,
) -> None:
    """2000 equal tokens: in bfloat16 their sum would stop at 256."""
    logits = torch.zeros(1000, 2000, dtype=dtype)
    ids = sample(logits, 1.0, 1.0, noise(1000))
    counts = (ids // 200).bincount(minlength=10).tolist()
    assert chi_square_p(counts, [100.0] * 10) > 0.001


@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("keys_on", ["cpu", "meta"])
def test_sampling_follows_the_device_of_the_logits(
    keys_on: str, top_p: float
) -> None:
    """On `meta` a tensor left on the CPU is an error; so is float64."""
    logits = torch.randn(3, 50, device="meta", dtype=torch.float16)
    noise = uniform(torch.zeros(3, 2, dtype=torch.long, device=keys_on), 4)
    assert noise.dtype == torch.float32
    drawn = sample(logits, 0.8, top_p, noise)
    assert drawn.device == logits.device
    assert (drawn.shape, drawn.dtype) == ((3, 2), torch.long)


def test_the_token_that_reaches_top_p_is_the_last_one_kept() -> None:
    halves = torch.tensor([[0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])
    expected = torch.tensor([[0.0, 0.5, 0.0], [0.0, 0.0, 0.5]])
    assert torch.equal(keep_top_p(halves, 0.5), expected)


def test_probabilities_of_each_row_add_up_to_one() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0], [5.0, 1.0, 1.0, 1.0]])
    kept = token_probabilities(logits.bfloat16(), 2.0, top_p=0.7)
    assert kept.dtype == torch.float32
    assert torch.allclose(kept.sum(-1), torch.ones(2))
    assert (kept == 0).any(-1).all()


def test_without_top_p_no_token_is_left_out() -> None:
    # The sum is 1 in float32 long before the last token.
    logits = torch.tensor([[0.0] + [-18.0] * 999])
    probabilities = token_probabilities(logits, 1.0)
    assert torch.equal(probabilities, torch.softmax(logits, -1))
    assert (probabilities > 0).all()
