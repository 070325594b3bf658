"""The engine against `transformers.generate` and the reference decoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from tests.oracle import by_transformers, never, random_prompts
from unitconv.inference import engine
from unitconv.inference.attention import attend
from unitconv.inference.engine import (
    EngineOptions,
    ForwardPass,
    shared_prefix_length,
)
from unitconv.inference.generate import (
    generate,
    generate_in_batches,
    why_unsupported,
)
from unitconv.inference.kv_cache import (
    CacheError,
    CachePlan,
    SlotCache,
    bytes_per_token,
)
from unitconv.inference.reference import (
    Completion,
    ContextError,
    Decoding,
    generate_batched,
    generate_sequential,
)

GREEDY_12 = Decoding(max_new_tokens=12)
SAMPLED = Decoding(max_new_tokens=12, temperature=1.0, seed=3)


def with_prefix(model: Any, prefix: int, count: int) -> list[list[int]]:
    """Prompts of many lengths that begin with the same tokens."""
    lengths = [1 + (7 * i) % 11 for i in range(count)]
    [start] = random_prompts(model, [prefix], seed=9)
    return [[*start, *p] for p in random_prompts(model, lengths)]


def flat(done: list[list[Completion]]) -> list[list[int]]:
    return [c.token_ids for row in done for c in row]


def ends_seldom(token_ids: list[int]) -> bool:
    """Stop at every length, so that slots are freed at all times."""
    return token_ids[-1] % 7 == 0


# ------------------------------------------------ equal to transformers


@pytest.mark.parametrize("prefix", [0, 30])
@pytest.mark.parametrize("slots", [1, 3, 64])
@pytest.mark.parametrize("name", ["tiny_model", "smollm2_shape"])
def test_greedy_equals_transformers(
    request: pytest.FixtureRequest, name: str, slots: int, prefix: int
) -> None:
    model = request.getfixturevalue(name)
    prompts = with_prefix(model, prefix, 8)
    expected = [by_transformers(model, p, 12) for p in prompts]
    options = EngineOptions(slots=slots)
    done = generate(model, prompts, never, GREEDY_12, options=options)
    assert flat(done) == expected
    assert not any(row[0].finished for row in done)


FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "qwen3": {"head_dim": 24},
    "smollm3": {"no_rope_layers": [1, 0], "pad_token_id": 0},
    "olmo": {},
    "olmo2": {},
    "granite": {"logits_scaling": 3.0, "attention_multiplier": 0.2},
    "phi3": {"pad_token_id": 0},
    "cohere": {"logit_scale": 0.5},
    "starcoder2": {"sliding_window": None},
    "ernie4_5": {},
    "glm": {"head_dim": 16, "pad_token_id": 0},
    "gemma": {"head_dim": 16},
    "mixtral": {"sliding_window": None, "num_local_experts": 4},
}


def model_of(kind: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind,
        **{
            "vocab_size": 199,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 128,
            "initializer_range": 0.3,
            **FAMILIES.get(kind, {}),
            **changes,
        },
    )
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_with_the_standard_interface(kind: str) -> None:
    """Greedy as `generate`; sampled, where logit scales matter, as ours."""
    model = model_of(kind)
    prompts = with_prefix(model, 20, 5)
    expected = [by_transformers(model, p, 12) for p in prompts]
    assert why_unsupported(model) is None
    options = EngineOptions(slots=3)
    done = generate(model, prompts, never, GREEDY_12, options=options)
    assert flat(done) == expected
    sampled = generate(model, prompts, never, SAMPLED, 2, options)
    assert sampled == generate_batched(model, prompts, never, SAMPLED, 2)


DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("mistral", {"sliding_window": 64}),
        ("gemma2", {"head_dim": 16}),  # every second layer sees a window
        ("stablelm", {}),  # drops keyword arguments
        ("bloom", {}),  # has no attention interface, and ALiBi
        ("mamba", {}),  # has no attention
        ("llama", {"rope_parameters": DYNAMIC}),
        ("deepseek_v3", {}),  # compresses keys and values
    ],
)
def test_unsupported_models_are_detected(
    kind: str, changes: dict[str, Any]
) -> None:
    assert why_unsupported(model_of(kind, **changes))


def test_the_fallback_keeps_order_limits_and_progress(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = with_prefix(tiny_model, 9, 5)
    progress: list[int] = []
    options = EngineOptions(
        slots=4, limits=[3, 12, 1, 7, 5], progress=progress.append
    )

    def run() -> list[list[Completion]]:
        return generate(
            tiny_model, prompts, ends_seldom, SAMPLED, 2, options
        )

    expected = run()
    assert progress == [1] * 5
    monkeypatch.setattr(
        "unitconv.inference.generate.why_unsupported", lambda _: "a test"
    )
    with pytest.warns(UserWarning, match="without the engine: a test"):
        assert run() == expected
    assert progress[5:] == [2, 2, 1]


def test_an_unmerged_adapter_is_served(make_model: Any) -> None:
    from peft import IA3Config, LoraConfig, get_peft_model

    lora = LoraConfig(
        r=4, target_modules="all-linear", init_lora_weights=False
    )
    model = get_peft_model(make_model(seed=4), lora).eval()
    prompts = with_prefix(model, 20, 5)
    expected = generate_batched(model, prompts, never, GREEDY_12)
    with model.disable_adapter():
        bare = generate_batched(model, prompts, never, GREEDY_12)
    options = EngineOptions(slots=2)
    done = generate(model, prompts, never, GREEDY_12, options=options)
    assert done == expected != bare
    ia3 = IA3Config(target_modules=["k_proj"], feedforward_modules=[])
    other = get_peft_model(make_model(), ia3)
    assert "IA3, not LoRA" in str(why_unsupported(other))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_as_good_as_that_of_transformers(
    make_model: Any, dtype: torch.dtype
) -> None:
    model = make_model().to(dtype)
    prompts = with_prefix(model, 20, 6)
    assert why_unsupported(model) is None
    done = flat(generate(model, prompts, never, GREEDY_12))
    for prompt, token_ids in zip(prompts, done, strict=True):
        text = torch.tensor([prompt + token_ids])
        with torch.inference_mode():
            logits = model(text).logits[0, len(prompt) - 1 : -1].float()
        chosen = logits.gather(-1, torch.tensor(token_ids)[:, None])[:, 0]
        # Each token is the model's own first choice, but for rounding.
        assert (logits.amax(-1) - chosen).max() < 0.05 * logits.std()


# ------------------------------------------ same request, same tokens


@given(st.data())
@settings(max_examples=40)
def test_no_schedule_changes_a_completion(
    tiny_model: Any, data: st.DataObject
) -> None:
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
        top_p=data.draw(st.sampled_from([1.0, 0.8])),
        seed=data.draw(st.integers(0, 3)),
    )
    every = data.draw(st.integers(2, 9))

    def ends(token_ids: list[int]) -> bool:
        return token_ids[-1] % every == 0

    slots = data.draw(st.integers(1, 12))
    options = EngineOptions(slots=slots, limits=limits)
    done = generate(tiny_model, prompts, ends, how, n, options)
    for prompt, limit, row in zip(prompts, limits, done, strict=True):
        alone = replace(how, max_new_tokens=limit)
        assert row == [
            generate_sequential(tiny_model, prompt, ends, alone, sample)
            for sample in range(n)
        ]


# ---------------------------------------------- nothing is done twice


@pytest.mark.parametrize("slots", [7, 30])
def test_prefix_prompts_and_equal_samples_are_computed_once(
    tiny_model: Any, slots: int
) -> None:
    [start] = random_prompts(tiny_model, [40])
    prompts = [[*start, 5 + i, 9] for i in range(6)]
    why_unsupported(tiny_model)  # its passes are not counted
    passes: list[ForwardPass] = []
    computed: list[int] = []
    embedding = tiny_model.get_input_embeddings()
    handle = embedding.register_forward_pre_hook(
        lambda _, args: computed.append(args[0].numel())
    )
    how = Decoding(max_new_tokens=6, temperature=0.3)
    options = EngineOptions(slots=slots, observe=passes.append)
    done = generate(tiny_model, prompts, never, how, 5, options)
    handle.remove()
    assert passes[0] == ForwardPass("prefix", [], 40, 0)
    assert computed == [max(len(p.prompts), 1) * p.width for p in passes]
    # The last token of a completion is drawn and never computed.
    distinct = sum(
        len({tuple(c.token_ids[:end]) for c in row for end in range(1, 6)})
        for row in done
    )
    assert 6 * 5 < distinct < 6 * 5 * 4
    assert sum(computed) == 40 + 6 * 2 + distinct


def test_a_prompt_with_more_samples_than_slots_is_read_once(
    tiny_model: Any,
) -> None:
    prompts = with_prefix(tiny_model, 0, 4)
    passes: list[ForwardPass] = []
    options = EngineOptions(slots=3, observe=passes.append)
    generate(tiny_model, prompts, ends_seldom, SAMPLED, 8, options)
    read = [p.prompts for p in passes if p.kind == "prefill"]
    assert sorted(chain.from_iterable(read)) == [0, 1, 2, 3]
    assert max(len(p.prompts) for p in passes) == 3


def test_finished_requests_leave_and_waiting_ones_enter(
    tiny_model: Any,
) -> None:
    prompts = random_prompts(tiny_model, [6] * 12)
    limits = [2, 9] * 6
    passes: list[ForwardPass] = []
    progress: list[int] = []
    options = EngineOptions(
        slots=4,
        limits=limits,
        progress=progress.append,
        observe=passes.append,
    )
    generate(tiny_model, prompts, never, options=options)
    steps = [len(p.prompts) for p in passes if p.kind == "decode"]
    assert sum(steps) == sum(limits) - len(prompts)
    # Full but for the end, where no request waits any more.
    assert max(steps) == 4
    assert steps.count(4) >= len(steps) - 8
    assert progress == [1] * 12


def test_a_long_prefill_is_read_in_several_passes(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unitconv.inference.engine.PREFILL_TOKENS", 20)
    prompts = random_prompts(tiny_model, [6] * 8)
    passes: list[ForwardPass] = []
    options = EngineOptions(slots=8, observe=passes.append)
    done = generate(tiny_model, prompts, never, SAMPLED, 1, options)
    assert done == generate_batched(tiny_model, prompts, never, SAMPLED, 1)
    read = [len(p.prompts) for p in passes if p.kind == "prefill"]
    assert read == [3, 3, 2]


def test_cached_tokens_are_reported(tiny_model: Any) -> None:
    prompts = random_prompts(tiny_model, [6] * 3)
    passes: list[ForwardPass] = []
    options = EngineOptions(slots=3, observe=passes.append)
    generate(tiny_model, prompts, never, GREEDY_12, options=options)
    assert [p.own_tokens for p in passes] == [
        3 * (6 + drawn) for drawn in range(12)
    ]


@example(prompts=[[0, 1], [2, 1]], start=8)
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
    expected = best if best >= 8 and len(prompts) > 1 else 0
    assert shared_prefix_length(prompts) == expected


# ------------------------------------------------------------ attention


@given(st.data())
@settings(max_examples=60)
def test_attention_equals_torch(data: st.DataObject) -> None:
    """Over one tensor of keys, with KV heads repeated."""
    rows, kv_heads, group = (data.draw(st.integers(1, 3)) for _ in range(3))
    width = data.draw(st.integers(1, 4))
    prefix = data.draw(st.integers(0, 6))
    starts = data.draw(
        st.lists(st.integers(0, 5), min_size=rows, max_size=rows)
    )
    scale = data.draw(st.sampled_from([1.0, 30.0]))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    length = max(starts) + width
    dim, heads = 8, kv_heads * group
    query = torch.randn(rows, heads, width, dim) * scale
    own = torch.randn(2, rows, kv_heads, length, dim)
    shared = torch.randn(2, kv_heads, prefix, dim)
    shared[0] *= scale  # the largest scores of both parts lie far apart
    positions = torch.tensor(starts)[:, None] + torch.arange(width)
    seen = torch.arange(length) <= positions[:, :, None]
    mask = torch.zeros(seen.shape).masked_fill(~seen, float("-inf"))
    found = attend(
        query=query * dim**-0.5,
        keys=own[0],
        values=own[1],
        mask=mask[:, None, None],
        prefix=(shared[0], shared[1]) if prefix else None,
    )
    copies = shared[:, None].expand(-1, rows, -1, -1, -1)
    keys, values = torch.cat([copies, own], dim=3).repeat_interleave(
        group, dim=2
    )
    visible = torch.cat([torch.ones(rows, width, prefix).bool(), seen], -1)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, keys, values, attn_mask=visible[:, None]
    )
    # float32 scores of a thousand are known to a ten-thousandth.
    torch.testing.assert_close(
        found, expected.transpose(1, 2), rtol=1e-3, atol=1e-4 * scale
    )


# --------------------------------------------------------------- memory


@given(
    asked=st.integers(2, 40),
    slot_tokens=st.integers(1, 70),
    prefix=st.integers(0, 30),
    budget=st.integers(0, 9000),
)
def test_as_many_slots_as_fit_and_no_more(
    asked: int, slot_tokens: int, prefix: int, budget: int
) -> None:
    asked_for = CachePlan(asked, slot_tokens, prefix, 8)
    try:
        plan = asked_for.fit(budget)
    except CacheError:
        assert replace(asked_for, slots=1).bytes > budget
        return
    assert 1 <= plan.slots <= asked
    assert plan.bytes <= budget
    if plan.slots < asked:
        assert replace(plan, slots=plan.slots + 1).bytes > budget


def test_little_memory_means_fewer_slots_and_the_same_tokens(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = with_prefix(tiny_model, 20, 6)
    expected = generate(tiny_model, prompts, ends_seldom, SAMPLED, 3)
    per_token = bytes_per_token(tiny_model.config, torch.float32)
    passes: list[ForwardPass] = []

    def give(memory: int) -> None:
        monkeypatch.setattr(engine, "memory_budget", lambda _: memory)

    # The prefix and two slots of 11 own and 12 new tokens.
    give((20 + 2 * 23) * per_token)
    options = EngineOptions(slots=12, observe=passes.append)
    done = generate(tiny_model, prompts, ends_seldom, SAMPLED, 3, options)
    assert done == expected
    assert max(len(p.prompts) for p in passes) == 2
    give(1000)
    with pytest.raises(CacheError, match="shorten the prompt"):
        generate(tiny_model, prompts, never, GREEDY_12)


# ------------------------------------------------------------- mistakes


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
    assert generate_in_batches(tiny_model, [], never) == []
    with pytest.raises(ContextError, match="empty"):
        generate(tiny_model, [[5], []], never)
    with pytest.raises(ContextError, match="context"):
        generate(tiny_model, [[5], [5] * 96], never)
    with pytest.raises(ValueError, match="at least 1"):
        generate(tiny_model, [[5]], never, num_return_sequences=0)
    with pytest.raises(ValueError, match="at least 1"):
        generate(tiny_model, [[5]], never, options=EngineOptions(slots=0))
    for limits in ([3], [3, 4, 5]):
        options = EngineOptions(limits=limits)
        with pytest.raises(ValueError, match="argument 2"):
            generate(tiny_model, [[5], [6]], never, options=options)


# -------------------------------------------------------------- devices


def test_cache_and_attention_stay_on_their_device(make_model: Any) -> None:
    """On `meta` a tensor left on the CPU is an error."""
    meta = torch.device("meta")
    config = make_model().config
    cache = SlotCache(config, CachePlan(4, 9, 0, 1), meta, torch.float16)
    new = torch.randn(3, 2, 2, 16, device=meta, dtype=torch.float16)
    query = torch.randn(3, 4, 2, 16, device=meta, dtype=torch.float16)
    prefix = torch.randn(2, 2, 5, 16, device=meta, dtype=torch.float16)
    cache.begin_pass(1, [0, 4, 2], width=2)
    keys, values = cache.append(0, new, new)
    assert keys.shape == (3, 2, 6, 16)
    cache.copy(0, 3, 5)
    out = attend(query, keys, values, cache.mask, (prefix[0], prefix[1]))
    assert out.device == meta
    assert out.shape == (3, 2, 4, 16)


def gpu() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    pytest.skip("no GPU")


@pytest.mark.gpu
@pytest.mark.parametrize("how", [GREEDY_12, SAMPLED])
def test_all_decoders_agree_on_a_gpu(
    make_model: Callable[..., Any], how: Decoding
) -> None:
    model = make_model().to(gpu())
    prompts = with_prefix(model, 20, 9)
    expected = generate_batched(model, prompts, ends_seldom, how, 3)
    done = generate(
        model, prompts, ends_seldom, how, 3, EngineOptions(slots=6)
    )
    assert done == expected
    alone = generate_sequential(model, prompts[0], ends_seldom, how)
    assert alone == done[0][0]
    assert done == generate(model.to("cpu"), prompts, ends_seldom, how, 3)
