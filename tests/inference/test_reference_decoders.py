"""Both decoders against `transformers.generate`, and against each other.

Tokens, not text: what a tokenizer does is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import by_transformers, never, random_prompts
from unitconv.common.errors import UnitconvError
from unitconv.inference.reference import (
    Completion,
    ContextError,
    Decoding,
    choose,
    generate_batched,
    generate_sequential,
    left_pad,
    positions,
    prefill,
    token_limit,
)

MODELS = ["tiny_model", "smollm2_shape", "course"]
LENGTHS = [1, 2, 17, 5, 60, 3]  # prompts of a batch, in tokens


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    found = request.getfixturevalue(request.param)
    return found.model if request.param == "course" else found


def ends_at(ends: set[int]) -> Callable[[list[int]], bool]:
    return lambda token_ids: token_ids[-1] in ends


def tokens(completions: list[list[Completion]]) -> list[list[int]]:
    assert all(len(row) == 1 for row in completions)
    return [row[0].token_ids for row in completions]


# -------------------------------------------------- greedy, token by token


def test_greedy_equals_transformers(model: Any) -> None:
    prompts = random_prompts(model, LENGTHS)
    settings = Decoding(max_new_tokens=12)
    want = [by_transformers(model, p, 12) for p in prompts]
    one_by_one = [
        generate_sequential(model, p, never, settings) for p in prompts
    ]
    assert [c.token_ids for c in one_by_one] == want
    together = generate_batched(model, prompts, never, settings)
    assert tokens(together) == want
    done = [*one_by_one, *(row[0] for row in together)]
    assert not any(completion.finished for completion in done)


def up_to(ends: set[int], token_ids: list[int]) -> list[int]:
    """What is left of a text that stops at any of `ends`."""
    stops = [i for i, token in enumerate(token_ids) if token in ends]
    return token_ids[: stops[0] + 1] if stops else token_ids


def test_rows_stop_inside_a_batch(model: Any) -> None:
    """At the first token, in the middle, at the limit: each its own way."""
    prompts = random_prompts(model, LENGTHS)
    settings = Decoding(max_new_tokens=12)
    free = [by_transformers(model, p, 12) for p in prompts]
    ends = {free[0][0], free[3][5], free[5][9]}
    want = [up_to(ends, row) for row in free]
    lengths = {len(row) for row in want}
    assert 1 in lengths
    assert len(lengths) > 1

    stop = ends_at(ends)
    for done in (
        [
            row[0]
            for row in generate_batched(model, prompts, stop, settings)
        ],
        [generate_sequential(model, p, stop, settings) for p in prompts],
    ):
        assert [c.token_ids for c in done] == want
        assert [c.finished for c in done] == [w[-1] in ends for w in want]


# -------------------------------------------------- the end of the context


def test_generation_ends_where_the_context_does(tiny_model: Any) -> None:
    context = tiny_model.config.max_position_embeddings
    prompts = random_prompts(tiny_model, [context - 5, context - 20, 60])
    limits = [5, 20, context - 60]
    want = [
        by_transformers(tiny_model, p, limit)
        for p, limit in zip(prompts, limits, strict=True)
    ]
    settings = Decoding(max_new_tokens=10_000)
    assert [token_limit(tiny_model, p, 10_000) for p in prompts] == limits
    done = generate_batched(tiny_model, prompts, never, settings)
    assert tokens(done) == want
    for prompt, expected in zip(prompts, want, strict=True):
        alone = generate_sequential(tiny_model, prompt, never, settings)
        assert alone == Completion(expected, finished=False)


def test_prompts_that_leave_no_room_are_refused(tiny_model: Any) -> None:
    long = [5] * tiny_model.config.max_position_embeddings
    for prompt, problem in (
        (long, "96 tokens.*holds 96: shorten"),
        ([], "empty"),
    ):
        with pytest.raises(ContextError, match=problem):
            generate_sequential(tiny_model, prompt, never)
        with pytest.raises(ContextError, match=problem):
            generate_batched(tiny_model, [[5], prompt], never)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", float("nan")),
    ],
)
def test_settings_that_make_no_sense(name: str, value: Any) -> None:
    with pytest.raises(UnitconvError, match=name):
        Decoding(**{name: value})


# --------------------------------------------------------------- padding


def test_left_pad_and_positions_by_hand() -> None:
    input_ids, mask = left_pad([[7, 8, 9], [5], [9, 9]], pad_token_id=9)
    assert input_ids.tolist() == [[7, 8, 9], [9, 9, 5], [9, 9, 9]]
    # The mask knows a real 9 from padding; the ids do not.
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
    assert positions(mask).tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 1]]


@torch.inference_mode()
def test_padding_cannot_change_a_rows_logits(model: Any) -> None:
    prompts = random_prompts(model, LENGTHS, seed=3)
    ids, mask = left_pad(prompts, pad_token_id=1)
    padded, _ = prefill(model, ids, mask, positions(mask))
    assert padded.isfinite().all()
    for row, prompt in enumerate(prompts):
        alone = model(torch.tensor([prompt])).logits[0, -1]
        torch.testing.assert_close(padded[row], alone, rtol=1e-4, atol=1e-4)


# -------------------------------------------------------------- sampling


REQUESTS = list(range(6))


@settings(max_examples=15)
@given(
    order=st.permutations(REQUESTS),
    size=st.integers(1, 6),
    copies=st.integers(1, 3),
    top_p=st.sampled_from([1.0, 0.9]),
)
def test_a_sample_depends_on_its_request_alone(
    tiny_model: Any,
    order: list[int],
    size: int,
    copies: int,
    top_p: float,
) -> None:
    """Any batch size, any order, any neighbours: the same tokens."""
    prompts = random_prompts(tiny_model, [1, 3, 20, 8, 3, 40], seed=7)
    how = Decoding(max_new_tokens=6, temperature=1.0, top_p=top_p, seed=1)
    stop = ends_at(set(range(3, 30)))
    got: dict[int, list[Completion]] = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        done = generate_batched(
            tiny_model, [prompts[i] for i in batch], stop, how, copies
        )
        got |= dict(zip(batch, done, strict=True))
    for i, prompt in enumerate(prompts):
        assert got[i] == [
            generate_sequential(tiny_model, prompt, stop, how, number)
            for number in range(copies)
        ]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_helpers_stay_on_the_device_of_the_logits(
    temperature: float,
) -> None:
    """Keys made on the CPU, as by a caller who forgets the device."""
    logits = torch.randn(3, 50, device="meta")
    keys = torch.tensor([1, 2, 3])
    settings = Decoding(temperature=temperature)
    assert choose(logits, settings, keys, 0).device == logits.device
    mask = torch.ones(2, 5, dtype=torch.long, device="meta")
    assert positions(mask).device == mask.device
