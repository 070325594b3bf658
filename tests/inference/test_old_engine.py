"""The engine against `transformers.generate` and the reference decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from tests.oracle import by_transformers, never, random_prompts
from unitconv.inference.llm import LLM
from unitconv.inference.old_engine import (
    CacheError,
    Pass,
    attention,
    generate,
    graphs,
    why_not,
)
from unitconv.inference.old_engine.attention import (
    InOnePiece,
    InPages,
    Shared,
    attend,
)
from unitconv.inference.old_engine.backbone import Backbone, NewTokens, norm
from unitconv.inference.old_engine.batching import BURST, Engine
from unitconv.inference.old_engine.cache import (
    PAGE,
    PagedCache,
    bytes_per_token,
    plan_cache,
)
from unitconv.inference.old_engine.head import Head
from unitconv.inference.old_engine.pages import Pages
from unitconv.inference.old_engine.products import in_tiles
from unitconv.inference.old_engine.rows import shared_prefix
from unitconv.inference.reference import (
    Completion,
    ContextError,
    Decoding,
    generate_batched,
    generate_sequential,
)
from unitconv.task.dataset import load_split

GREEDY_12 = Decoding(max_new_tokens=12)
WARM = Decoding(max_new_tokens=12, temperature=1.0, seed=3)


def with_prefix(model: Any, prefix: int, count: int) -> list[list[int]]:
    """Prompts of many lengths that begin with the same tokens."""
    lengths = [1 + (7 * i) % 11 for i in range(count)]
    [start] = random_prompts(model, [prefix], seed=9)
    return [[*start, *p] for p in random_prompts(model, lengths)]


def flat(done: list[list[Completion]]) -> list[list[int]]:
    return [c.token_ids for row in done for c in row]


# ------------------------------------------------ equal to transformers


@pytest.mark.parametrize("prefix", [0, 30])
@pytest.mark.parametrize("slots", [1, 3, 64])
@pytest.mark.parametrize("name", ["tiny_model", "smollm2_shape"])
def test_greedy_equals_transformers(
    request: pytest.FixtureRequest, name: str, slots: int, prefix: int
) -> None:
    model = request.getfixturevalue(name)
    prompts = with_prefix(model, prefix, 8)
    want = [by_transformers(model, p, 12) for p in prompts]
    done = generate(model, prompts, never, GREEDY_12, slots=slots)
    assert flat(done) == want
    assert not any(row[0].finished for row in done)


def test_the_course_model_equals_transformers(course: LLM) -> None:
    """With its real prompt, which all questions share but for their end."""
    questions = load_split("valid")[:12]
    prompts = [
        course.encode(course.format_prompt(q.text)) for q in questions
    ]
    assert shared_prefix(prompts) > 50
    limit = Decoding(max_new_tokens=60)
    done = generate(course.model, prompts, course.stop, limit, slots=5)
    for prompt, [completion] in zip(prompts, done, strict=True):
        alone = generate_sequential(
            course.model, prompt, course.stop, limit
        )
        assert completion == alone
        # The stop text is ours; up to it the library says the same.
        n = len(completion.token_ids)
        assert by_transformers(course.model, prompt, n) == alone.token_ids


CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "qwen3": {"head_dim": 24},
    "smollm3": {"no_rope_layers": [1, 0], "pad_token_id": 0},
}


def model_of(kind: str) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind,
        vocab_size=199,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
        **CONFIGS[kind],
    )
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("kind", CONFIGS)
@torch.inference_mode()
def test_its_layers_are_those_of_transformers(kind: str) -> None:
    """Two rows of different lengths are read, then one more token each."""
    model = model_of(kind)
    # Norms that do nothing would hide a norm that is left out.
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.copy_(torch.rand_like(weight) + 0.5)
    prompts = random_prompts(model, [9, 6])
    plan = plan_cache(model.config, model.dtype, 2, 16, 0, 10**9, page=4)
    cache = PagedCache(model.config, plan, "cpu", model.dtype)
    backbone = Backbone(model)
    zero = torch.zeros(2, dtype=torch.long)
    # All but the last token, padded on the right, into slots 1 and 0.
    ends = torch.tensor([len(prompt) - 2 for prompt in prompts])
    width = int(ends.max()) + 1
    read = [[*p[:-1], *[0] * (width - len(p) + 1)] for p in prompts]
    cache.reserve([1, 0], [8, 5])
    cache.aim(torch.tensor([1, 0]), zero, width, width)
    places = torch.arange(width).expand(2, -1)
    found = backbone(NewTokens(torch.tensor(read), places, ends), cache)
    prompts, starts = prompts[::-1], ends.flip(0) + 1
    tokens = torch.tensor([prompt[-1:] for prompt in prompts])
    cache.reserve([0, 1], [6, 9])
    cache.aim(torch.tensor([0, 1]), starts, 1, 9)
    last = backbone(NewTokens(tokens, starts[:, None]), cache)
    for row, prompt in enumerate(prompts):
        want = model.base_model(torch.tensor([prompt])).last_hidden_state
        torch.testing.assert_close(
            torch.stack([found[1 - row], last[row]]),
            want[0, -2:],
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_norms_are_those_of_transformers(dtype: torch.dtype) -> None:
    """Of numbers large and small, where `eps` counts as well."""
    module = model_of("llama").model.norm
    module.weight.copy_(torch.rand_like(module.weight) + 0.5)
    sizes = torch.tensor([1e-4, 1e-2, 1.0, 300.0])[:, None]
    hidden = torch.randn(4, len(module.weight)) * sizes
    # What is exact: the same numbers of so many digits, in float64.
    module, hidden = module.to(dtype), hidden.to(dtype)
    wide = hidden.double()
    mean = wide.square().mean(-1, keepdim=True)
    exact = wide / (mean + module.variance_epsilon).sqrt()
    exact *= module.weight.double()
    found = norm(module)(hidden)
    assert found.dtype == dtype
    # Computed in float32, and rounded once.
    step = torch.finfo(dtype).eps
    once = step / 2 + 4 * torch.finfo(torch.float32).eps
    torch.testing.assert_close(found.double(), exact, rtol=once, atol=0.0)
    theirs = module(hidden)
    torch.testing.assert_close(found, theirs, rtol=4 * step, atol=0.0)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("in_columns", [False, True])
@pytest.mark.parametrize("tokens", [1, 2, 5, 32, 33])
def test_however_tokens_lie_a_product_is_the_same(
    tokens: int, in_columns: bool, biased: bool
) -> None:
    """In bf16, whose eight digits the result is known to."""
    generator = torch.Generator().manual_seed(0)
    hidden, weight, bias = (
        torch.randn(*shape, generator=generator).bfloat16()
        for shape in ((tokens, 48), (33, 48), (33,))
    )
    found = in_tiles(hidden, weight, bias if biased else None, in_columns)
    exact = hidden.double() @ weight.double().T
    exact += bias.double() * biased
    assert found.shape == (tokens, 33)
    torch.testing.assert_close(
        found.double(), exact, rtol=2**-7, atol=2**-7
    )


def tiles(yes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this processor has."""
    for module in ("attention", "backbone", "head", "products"):
        monkeypatch.setattr(
            f"unitconv.inference.old_engine.{module}.computed_in_tiles",
            lambda tensor: yes and tensor.dtype == torch.bfloat16,
        )


def states_of(model: Any, prompts: list[list[int]]) -> Tensor:
    """Prompts of one length read together, the second half of each token
    by token: the states after their tokens from the middle on."""
    rows, length = len(prompts), len(prompts[0])
    middle = length // 2
    plan = plan_cache(
        model.config, model.dtype, rows, length, 0, 10**9, page=4
    )
    cache = PagedCache(model.config, plan, "cpu", model.dtype)
    backbone, slots = Backbone(model), torch.arange(rows)
    cache.reserve(range(rows), [length] * rows)
    ids, starts = torch.tensor(prompts), torch.zeros_like(slots)
    cache.aim(slots, starts, middle, middle)
    places = torch.arange(length).expand(rows, -1)
    ends = starts + middle - 1
    new = NewTokens(ids[:, :middle], places[:, :middle], ends)
    found = [backbone(new, cache)]
    for place in range(middle, length):
        cache.aim(slots, starts + place, 1, place + 1)
        span = slice(place, place + 1)
        new = NewTokens(ids[:, span], places[:, span])
        found.append(backbone(new, cache))
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("in_tiles", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 33])
@torch.inference_mode()
def test_in_bf16_it_is_as_near_to_float32_as_transformers_is(
    make_model: Any,
    rows: int,
    in_tiles: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every digit that bf16 lacks is lost by both, in rows or columns."""
    tiles(in_tiles, monkeypatch)
    exact, model = make_model(), make_model().to(torch.bfloat16)
    exact.load_state_dict(model.state_dict())  # the same rounded weights
    prompts = random_prompts(model, [12] * rows)
    assert Backbone(model).in_columns == in_tiles
    found = states_of(model, prompts)
    ids = torch.tensor(prompts)
    want = exact.base_model(ids).last_hidden_state[:, 5:]
    theirs = model.base_model(ids).last_hidden_state[:, 5:]
    off = (found.float() - want).norm()
    assert 0 < off < 1.5 * (theirs.float() - want).norm()


def test_what_adapters_make_lies_in_rows(
    make_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import LoraConfig, get_peft_model

    tiles(True, monkeypatch)
    model = make_model().to(torch.bfloat16)
    assert Backbone(model).in_columns
    lora = LoraConfig(r=2, target_modules=["down_proj"])
    adapted = get_peft_model(model, lora).base_model.model
    assert not Backbone(adapted).in_columns


@pytest.mark.parametrize("rows", [1, 2, 7, 32])
@torch.inference_mode()
def test_the_most_likely_token_without_all_logits(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of small whole numbers, whose products are exact and often tie."""
    tiles(True, monkeypatch)
    monkeypatch.setattr("unitconv.inference.old_engine.head.PIECE", 64)
    generator = torch.Generator().manual_seed(rows)
    module = torch.nn.Linear(4, 200, bias=False, dtype=torch.bfloat16)
    whole = torch.randint(-1, 2, (200, 4), generator=generator)
    module.weight.copy_(whole)
    hidden = torch.randint(-1, 2, (rows, 4), generator=generator)
    logits = (hidden @ whole.T).tolist()
    assert sum(row.count(max(row)) > 1 for row in logits) >= rows / 2
    head = Head(module)
    assert len(head.pieces) == 4
    found = head.most_likely(hidden.bfloat16())
    assert found.tolist() == [row.index(max(row)) for row in logits]
    assert head(hidden.bfloat16()).tolist() == logits


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_kind_of_model_it_serves(kind: str) -> None:
    model = model_of(kind)
    assert why_not(model) is None
    prompts = with_prefix(model, 20, 5)
    want = [by_transformers(model, p, 12) for p in prompts]
    assert len({*map(tuple, want)}) > 1
    assert flat(generate(model, prompts, never, GREEDY_12, slots=3)) == want


def test_a_hook_of_a_matrix_is_called(make_model: Any) -> None:
    model, seen = make_model(), []
    model.model.layers[0].mlp.up_proj.register_forward_hook(
        lambda _, args, out: seen.append(out.shape)
    )
    generate(model, [[5, 6, 7]], never, Decoding(max_new_tokens=3))
    assert [shape[0] for shape in seen] == [3, 1, 1]


def test_an_unmerged_adapter_is_served(make_model: Any) -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        make_model(seed=4),
        LoraConfig(
            r=4, target_modules="all-linear", init_lora_weights=False
        ),
    ).eval()
    prompts = with_prefix(model, 20, 5)
    want = flat(generate_batched(model, prompts, never, GREEDY_12))
    with model.disable_adapter():
        bare = flat(generate_batched(model, prompts, never, GREEDY_12))
    assert flat(generate(model, prompts, never, GREEDY_12, slots=2)) == want
    assert want != bare


# ------------------------------------------ same request, same tokens


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("slots", [1, 3, 5, 64])
@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_samples_equal_the_reference(
    tiny_model: Any, slots: int, n: int, top_p: float
) -> None:
    prompts = with_prefix(tiny_model, 12, 6)
    how = Decoding(max_new_tokens=9, temperature=1.2, top_p=top_p, seed=5)
    want = generate_batched(tiny_model, prompts, ends_seldom, how, n)
    assert any(c.finished for row in want for c in row)
    assert not all(c.finished for row in want for c in row)
    assert generate(tiny_model, prompts, ends_seldom, how, n, slots) == want


def ends_seldom(token_ids: list[int]) -> bool:
    """Rows of every length, so that slots are freed at all times."""
    return token_ids[-1] % 7 == 0


def test_order_neighbours_and_prefix_do_not_show(tiny_model: Any) -> None:
    prompts = with_prefix(tiny_model, 20, 7)
    want = generate(tiny_model, prompts, ends_seldom, WARM, 2, slots=4)
    back = generate(
        tiny_model, prompts[::-1], ends_seldom, WARM, 2, slots=3
    )
    assert back[::-1] == want
    stranger = random_prompts(tiny_model, [30], seed=77)
    assert shared_prefix([*prompts, *stranger]) == 0
    more = generate(
        tiny_model, [*prompts, *stranger], ends_seldom, WARM, 2, slots=4
    )
    assert more[:-1] == want


def test_looking_seldom_changes_nothing(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU rows run on past their end until the host looks."""
    prompts = with_prefix(tiny_model, 20, 9)
    want = generate(tiny_model, prompts, ends_seldom, WARM, 3, slots=4)
    monkeypatch.setitem(BURST, "cpu", 5)
    assert generate(tiny_model, prompts, ends_seldom, WARM, 3, 4) == want


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_no_schedule_shows_in_a_row(
    tiny_model: Any, data: st.DataObject
) -> None:
    """Each row is what it is alone, whoever comes, waits and leaves."""
    prefix = data.draw(st.sampled_from([0, 9, 40]))
    lengths = data.draw(
        st.lists(st.integers(1, 12), min_size=1, max_size=7)
    )
    [start] = random_prompts(tiny_model, [prefix], seed=9)
    prompts = [[*start, *p] for p in random_prompts(tiny_model, lengths)]
    limits = [data.draw(st.integers(1, 12)) for _ in prompts]
    n = data.draw(st.integers(1, 4))
    how = Decoding(
        max_new_tokens=12,
        temperature=data.draw(st.sampled_from([0.0, 0.4, 1.2])),
        seed=data.draw(st.integers(0, 3)),
    )
    every = data.draw(st.integers(2, 9))

    def ends(token_ids: list[int]) -> bool:
        return token_ids[-1] % every == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BURST, "cpu", data.draw(st.sampled_from([1, 1, 3])))
        patch.setitem(PAGE, "cpu", data.draw(st.sampled_from([1, 4, 16])))
        done = generate(
            *(tiny_model, prompts, ends, how, n),
            slots=data.draw(st.integers(1, 12)),
            limits=limits,
        )
    for prompt, limit, row in zip(prompts, limits, done, strict=True):
        alone = replace(how, max_new_tokens=limit)
        assert row == [
            generate_sequential(tiny_model, prompt, ends, alone, sample)
            for sample in range(n)
        ]


def test_limits_of_their_own(tiny_model: Any) -> None:
    prompts = with_prefix(tiny_model, 20, 6)
    limits = [1, 5, 2, 12, 3, 8]
    want = [by_transformers(tiny_model, p, 12) for p in prompts]
    for decode in (generate, generate_batched):
        done = flat(decode(tiny_model, prompts, never, limits=limits))
        cut = [w[:limit] for w, limit in zip(want, limits, strict=True)]
        assert done == cut


# ---------------------------------------------- nothing is done twice


@pytest.mark.parametrize("slots", [7, 30])
def test_prefix_questions_and_equal_samples_are_read_once(
    tiny_model: Any, slots: int
) -> None:
    [start] = random_prompts(tiny_model, [40])
    prompts = [[*start, 5 + i, 9] for i in range(6)]
    told: list[Pass] = []
    read: list[int] = []
    embedding = tiny_model.get_input_embeddings()
    handle = embedding.register_forward_pre_hook(
        lambda _, args: read.append(args[0].numel())
    )
    how = Decoding(max_new_tokens=6, temperature=0.3)
    done = generate(
        *(tiny_model, prompts, never, how, 5, slots), observe=told.append
    )
    handle.remove()
    assert sum(p.width for p in told if p.kind == "prefix") == 40
    assert sum(len(p.prompts) for p in told if p.kind == "prefill") == 6
    # What an observer is told is what the model was given.
    assert read == [max(len(p.prompts), 1) * p.width for p in told]
    # The last token of a row is chosen and never read.
    once = sum(len(beginnings(row, 5)) for row in done)
    assert 6 * 5 < once < 6 * 5 * 4
    decoded = sum(read) - 40 - 6 * 2
    if slots == 30:
        assert decoded == once
    else:  # a sample that came in later was read by itself
        assert once < decoded < 6 * 5 * 5


def beginnings(row: list[Completion], longest: int) -> set[tuple[int, ...]]:
    """The different texts that samples of a question begin with."""
    ends = range(1, longest + 1)
    return {tuple(c.token_ids[:end]) for c in row for end in ends}


def test_greedy_samples_never_part(tiny_model: Any) -> None:
    prompts = random_prompts(tiny_model, [6, 9])
    told: list[Pass] = []
    done = generate(
        *(tiny_model, prompts, never, GREEDY_12, 4), observe=told.append
    )
    assert done == [[row[0]] * 4 for row in done]
    assert [len(p.prompts) for p in told] == [2] * 12


def test_samples_of_their_own_lengths_share_a_slot(tiny_model: Any) -> None:
    """A stop rule may end one of two rows that are the same text."""
    ends = iter([3, 7, 1, 5])
    dealt: dict[int, int] = {}

    def stop(token_ids: list[int]) -> bool:
        if len(token_ids) == 1:
            dealt[id(token_ids)] = next(ends)
        return len(token_ids) == dealt[id(token_ids)]

    [prompt] = random_prompts(tiny_model, [6])
    [done] = generate(tiny_model, [prompt], stop, GREEDY_12, 4)
    want = by_transformers(tiny_model, prompt, 7)
    assert [c.token_ids for c in done] == [want[:n] for n in (3, 7, 1, 5)]


def test_finished_rows_leave_and_waiting_ones_enter(
    tiny_model: Any,
) -> None:
    prompts = random_prompts(tiny_model, [6] * 12)
    limits = [2, 9] * 6
    told: list[Pass] = []
    generate(
        *(tiny_model, prompts, never),
        slots=4,
        limits=limits,
        observe=told.append,
    )
    steps = [len(p.prompts) for p in told if p.kind == "decode"]
    assert sum(steps) == sum(limits) - len(prompts)
    # Full but for the end, where nobody waits any more.
    assert max(steps) == 4
    assert steps.count(4) >= len(steps) - 8


def test_progress_counts_prompts_when_all_their_samples_are_done(
    tiny_model: Any,
) -> None:
    told: list[int] = []
    prompts = random_prompts(tiny_model, [3, 5, 2, 8])
    generate(
        *(tiny_model, prompts, ends_seldom, WARM, 3, 5),
        progress=told.append,
    )
    assert told == [1, 1, 1, 1]


@given(
    st.lists(
        st.lists(st.integers(0, 2), min_size=1, max_size=14),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 12),
)
def test_shared_prefix_by_brute_force(
    prompts: list[list[int]], start: int
) -> None:
    prompts = [[1] * start + p for p in prompts]
    best = 0
    for n in range(1, min(map(len, prompts))):
        if len({tuple(p[:n]) for p in prompts}) == 1:
            best = n
    found = shared_prefix(prompts)
    assert found == (best if best >= 8 and len(prompts) > 1 else 0)


# ------------------------------------------------------------ attention


@given(st.data())
@settings(max_examples=60)
def test_attention_equals_torch(data: st.DataObject) -> None:
    """Two places are one; so are pages; shared KV heads are repeated."""
    rows, kv_heads, group = (data.draw(st.integers(1, 3)) for _ in range(3))
    width, prefix = (
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(0, 6)),
    )
    starts = data.draw(
        st.lists(st.integers(0, 5), min_size=rows, max_size=rows)
    )
    loud = data.draw(st.sampled_from([1.0, 30.0]))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    length = max(starts) + width
    dim, heads = 8, kv_heads * group
    query = torch.randn(rows, heads, width, dim) * loud
    own = torch.randn(2, rows, kv_heads, length, dim)
    shared = torch.randn(2, kv_heads, prefix, dim)
    shared[0] *= loud  # the parts' largest scores lie far apart
    places = torch.tensor(starts)[:, None] + torch.arange(width)
    seen = torch.arange(length) <= places[:, :, None]
    mask = torch.zeros(seen.shape).masked_fill(~seen, float("-inf"))
    needs = [start + width for start in starts]
    paged = data.draw(st.booleans())
    wide = mask[:, None, None]
    there = (
        in_pages(own, needs, wide, data)
        if paged
        else InOnePiece(*own, wide)
    )
    got = attend(
        query * dim**-0.5,
        there,
        Shared(*shared) if prefix else None,
    )
    wide = shared[:, None].expand(-1, rows, -1, -1, -1)
    keys, values = torch.cat([wide, own], dim=3)
    visible = torch.cat([torch.ones(rows, width, prefix).bool(), seen], -1)
    keys = keys.repeat_interleave(group, 1)
    values = values.repeat_interleave(group, 1)
    scores = query @ keys.mT * dim**-0.5
    scores = scores.masked_fill(~visible[:, None], float("-inf"))
    want = scores.softmax(-1) @ values
    # float32 scores of a thousand are known to a ten-thousandth.
    torch.testing.assert_close(
        got, want.transpose(1, 2), rtol=1e-3, atol=1e-4 * loud
    )


def test_no_weight_is_below_the_normal_numbers() -> None:
    """Scores 95 apart give such weights, which only cost time."""
    keys = torch.tensor([0.0, -95.0, -50.0, -200.0]).view(1, 1, 4, 1)
    own = InOnePiece(keys, keys, torch.zeros(1, 1, 1, 1, 4))
    prefix = Shared(torch.tensor([[[-96.0], [-1.0]]]), torch.ones(1, 2, 1))
    query, tiny = torch.ones(1, 1, 1, 1), torch.finfo(torch.float32).tiny
    scores = torch.tensor([0.0, -95.0, -50.0, -200.0, -96.0, -1.0])
    want = scores.softmax(-1)
    small = (want > 0) & (want < tiny)
    assert small.tolist() == [False, True, False, False, True, False]
    found = attention._weights(query, own, prefix).flatten()
    assert found.tolist() == want.masked_fill(small, 0.0).tolist()
    assert found[2] > 0  # as small as that is not too small


def in_pages(
    own: Tensor, needs: list[int], mask: Tensor, data: st.DataObject
) -> InPages:
    """Keys and values [2, rows, kv_heads, length, dim] as pages that lie
    anyhow, of each row as many as it needs."""
    _, rows, heads, length, dim = own.shape
    sizes = [size for size in (1, 2, 3) if length % size == 0]
    size = data.draw(st.sampled_from(sizes))
    pages = Pages(rows, length // size, size, "cpu")
    for row in data.draw(st.permutations(range(rows))):
        pages.cover([row], [1])
    pages.cover(range(rows), needs)
    # What lies in the pages that nobody has is not to be seen.
    stores = torch.full((2, pages.end + 2, heads, size, dim), 1e9)
    for row, numbers in enumerate(pages.of):
        for nth, page in enumerate(numbers):
            lie = slice(nth * size, (nth + 1) * size)
            stores[:, page] = own[:, row, :, lie]
    readers = pages.readers(rows, length // size, pages.end + 2)
    return InPages(stores[0], stores[1], readers, readers.by_page(mask))


# --------------------------------------------------------------- memory


def test_the_plan_is_what_is_allocated(tiny_model: Any) -> None:
    plan = plan_cache(
        tiny_model.config, torch.float32, 5, 33, 21, budget=10**9
    )
    cache = PagedCache(
        tiny_model.config, plan, torch.device("cpu"), torch.float32
    )
    held = (
        cache.keys,
        cache.values,
        cache.prefix_keys,
        cache.prefix_values,
    )
    assert plan.bytes == sum(t.numel() * t.itemsize for t in held)
    assert str(plan).startswith(
        "5 slots of 33 tokens and 21 shared: 0.1 MB"
    )


@given(
    asked=st.integers(1, 40),
    room=st.integers(1, 70),
    prefix=st.integers(0, 30),
    tokens=st.integers(0, 900),
    least=st.sampled_from([1, 2]),
)
def test_as_many_slots_as_fit_and_no_more(
    tiny_model: Any,
    asked: int,
    room: int,
    prefix: int,
    tokens: int,
    least: int,
) -> None:
    asked = max(asked, least)
    budget = tokens * bytes_per_token(tiny_model.config, torch.float32)
    fixed = (tiny_model.config, torch.float32, asked, room, prefix)
    try:
        plan = plan_cache(*fixed, budget, least)
    except CacheError:
        return
    assert least <= plan.slots <= asked
    assert plan.bytes <= budget
    if plan.slots < asked:
        assert replace(plan, slots=plan.slots + 1).bytes > budget


def test_little_memory_means_fewer_slots_and_the_same_tokens(
    tiny_model: Any,
) -> None:
    prompts = with_prefix(tiny_model, 20, 6)
    want = generate(tiny_model, prompts, ends_seldom, WARM, 3, slots=12)
    a_token = 2 * 2 * 2 * 16 * 4
    # The prefix, three slots of two pages (11 own, 12 new tokens), and the
    # page that is nobody's.
    memory = (20 + 3 * 32 + 16) * a_token
    told: list[Pass] = []
    done = generate(
        *(tiny_model, prompts, ends_seldom, WARM, 3, 12),
        memory=memory,
        observe=told.append,
    )
    assert done == want
    # One of the three keeps the question for samples that wait.
    assert max(len(p.prompts) for p in told) == 2


def test_rows_that_leave_give_their_pages_back(tiny_model: Any) -> None:
    prompts = with_prefix(tiny_model, 20, 6)
    engine = Engine(tiny_model, prompts, GREEDY_12, 1, 4, [12] * 6)
    engine.run(ends_seldom, None)
    assert not any(engine.cache.pages.of)


def test_what_does_not_fit_is_refused_before_it_starts(
    tiny_model: Any,
) -> None:
    with pytest.raises(CacheError, match="shorten the prompt"):
        generate(tiny_model, [[5] * 9], never, GREEDY_12, memory=1000)


# ------------------------------------------------- models, and mistakes


def test_a_model_it_cannot_serve_falls_back_and_says_so(
    replay: Callable[[dict[str, str]], LLM],
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=99,
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=64,
        initializer_range=0.3,
    )
    model = GPT2LMHeadModel(config).eval()
    prompts = [[5, 6, 7], [9], [8, 5], [4] * 9]
    want = [
        [generate_sequential(model, p, never, GREEDY_12)] for p in prompts
    ]
    told: list[int] = []
    with pytest.warns(UserWarning, match="without the engine.*'gpt2'"):
        done = generate(
            *(model, prompts, never, GREEDY_12),
            slots=2,
            progress=told.append,
        )
    assert done == want
    assert sum(told) == 4


def test_why_not(make_model: Any) -> None:
    window = AutoConfig.for_model("mistral", sliding_window=64)
    assert "window" in str(why_not(SimpleNamespace(config=window)))
    mixed = AutoConfig.for_model(
        "qwen2",
        num_hidden_layers=2,
        layer_types=["full_attention", "sliding_attention"],
        use_sliding_window=True,
        sliding_window=64,
    )
    assert "window" in str(why_not(SimpleNamespace(config=mixed)))
    from peft import IA3Config, get_peft_model

    other = get_peft_model(
        make_model(),
        IA3Config(target_modules=["k_proj"], feedforward_modules=[]),
    )
    assert "IA3, not LoRA" in str(why_not(other))


def test_the_model_is_left_as_it_was(tiny_model: Any) -> None:
    before = tiny_model.config._attn_implementation

    def interrupt(token_ids: list[int]) -> bool:
        if len(token_ids) == 3:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        generate(tiny_model, [[5, 6]], interrupt)
    assert tiny_model.config._attn_implementation == before
    [prompt] = random_prompts(tiny_model, [12])
    assert tiny_model(torch.tensor([prompt])).logits.isfinite().all()


def test_bad_requests(tiny_model: Any) -> None:
    assert generate(tiny_model, [], never) == []
    with pytest.raises(ContextError, match="empty"):
        generate(tiny_model, [[5], []], never)
    with pytest.raises(ContextError, match="context"):
        generate(tiny_model, [[5], [5] * 96], never)
    for bad in ({"num_return_sequences": 0}, {"slots": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            generate(tiny_model, [[5]], never, **bad)


def test_a_row_at_the_end_of_the_context(tiny_model: Any) -> None:
    prompts = random_prompts(tiny_model, [93, 90, 2])
    done = generate(tiny_model, prompts, never, GREEDY_12, slots=2)
    assert [len(row[0].token_ids) for row in done] == [3, 6, 12]
    assert flat(done)[0] == by_transformers(tiny_model, prompts[0], 3)


# ------------------------------------------------------------------ GPU


def test_buckets_hold_their_rows() -> None:
    for slots in (1, 5, 64, 100):
        for rows in range(1, slots + 1):
            assert rows <= graphs.bucket(rows, slots) <= slots
    assert len({graphs.bucket(rows, 100) for rows in range(1, 101)}) == 8


class Recording:
    """A CUDA graph for a machine without one: it calls what it recorded."""

    def __init__(self) -> None:
        self.again: Callable[[], None] = lambda: None

    def replay(self) -> None:
        self.again()


@pytest.mark.parametrize("prefix", [0, 20])
def test_a_recorded_step_gives_the_same_tokens(
    tiny_model: Any, prefix: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buckets, surplus rows and state put back; not the recording itself,
    which takes a GPU (see the next test)."""
    made: list[tuple[int, int, int]] = []

    class OnCPU(graphs.GraphedStep):
        def _record(
            self, rows: int, length: int, pages: int
        ) -> tuple[Any, Tensor]:
            made.append((rows, length, pages))
            recording, before = Recording(), self.state.clone()
            tokens = self.step(rows, length, pages).clone()
            self.state.copy_(before)

            def again() -> None:
                tokens.copy_(self.step(rows, length, pages))

            recording.again = again
            return recording, tokens

    prompts = with_prefix(tiny_model, 20, 9)
    prompts = [prompt[20 - prefix :] for prompt in prompts]
    want = generate(tiny_model, prompts, ends_seldom, WARM, 3, slots=6)
    monkeypatch.setattr(
        "unitconv.inference.old_engine.batching.recorded",
        lambda step, slots, plan, state, _: OnCPU(step, slots, plan, state),
    )
    monkeypatch.setitem(BURST, "cpu", 4)
    monkeypatch.setitem(PAGE, "cpu", 4)
    monkeypatch.setattr(graphs, "PAGES", 16)
    assert generate(tiny_model, prompts, ends_seldom, WARM, 3, 6) == want
    assert 4 in {rows for rows, _, _ in made} <= {1, 2, 4, 6}
    assert {16, 32} <= {pages for _, _, pages in made}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_cuda_graphs_equal_the_reference(make_model: Any) -> None:
    model = make_model().to("cuda")
    prompts = with_prefix(model, 20, 9)
    for how in (GREEDY_12, WARM):
        want = generate_batched(model, prompts, ends_seldom, how, 3)
        assert generate(model, prompts, ends_seldom, how, 3, 6) == want
