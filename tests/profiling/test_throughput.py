"""The benchmark counts what it says it counts; it is no test of speed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.oracle import never, random_prompts
from unitconv.inference.engine import (
    EngineOptions,
    ForwardPass,
    shared_prefix_length,
)
from unitconv.inference.generate import generate
from unitconv.inference.llm import LLM
from unitconv.inference.reference import Decoding
from unitconv.profiling.roofline import (
    Ceiling,
    Work,
    measure_ceiling,
    minimum_seconds,
    work,
)
from unitconv.profiling.throughput import (
    measure,
    peak_memory,
    workloads,
)
from unitconv.task.dataset import load_split


@pytest.fixture(scope="module")
def tiny(make_model: Any, byte_tokenizer: Any) -> LLM:
    model = make_model(max_position_embeddings=1024)
    return LLM(model, byte_tokenizer, "cot")


def test_workloads(tiny: LLM) -> None:
    questions = load_split("test")[:20]
    evaluation, alone, rollouts, one = workloads(tiny, questions)
    assert len(evaluation.prompts) == len(alone.prompts) == 20
    assert shared_prefix_length(evaluation.prompts) > 100
    assert shared_prefix_length(alone.prompts) == 0
    assert [p[1:] for p in alone.prompts] == evaluation.prompts
    assert (len(rollouts.prompts), rollouts.num_return_sequences) == (2, 10)
    assert rollouts.settings.temperature == 0.8
    assert len(one.prompts) == one.num_return_sequences == 1


def test_only_tokens_of_replies_count(tiny: LLM) -> None:
    [job, *_] = workloads(tiny, load_split("test")[:6])
    replies = tiny.complete(
        [tiny.format_prompt(q.text) for q in load_split("test")[:6]]
    )
    ceiling = Ceiling(1e12, 1e11)
    for decoder in ("engine", "reference"):
        speed = measure(tiny, job, 4, 1, ceiling, decoder)
        assert speed.tokens == sum(row[0].n_tokens for row in replies)
        assert 0 < speed.first_token_seconds < speed.seconds
        assert speed.tokens_per_second == speed.tokens / speed.seconds
        assert (speed.roofline is None) == (decoder == "reference")
        assert speed.to_json()["workload"] == "evaluation"


def test_work_against_the_operations_torch_counts(make_model: Any) -> None:
    """Prompts of one length and one slot each: hardly any padding."""
    model = make_model(max_position_embeddings=256)
    [start] = random_prompts(model, [64])
    prompts = [[*start, *p] for p in random_prompts(model, [32] * 4, 5)]
    passes: list[ForwardPass] = []
    with FlopCounterMode(display=False) as counter:
        generate(
            model,
            prompts,
            never,
            Decoding(max_new_tokens=33),
            options=EngineOptions(slots=4, observe=passes.append),
        )
    least, prefix = 0.0, 0
    for one in passes:
        least += work(model, one, prefix).flops
        prefix = 64
    counted = counter.get_total_flops()
    # Masked products and padding are counted as well; torch's attention
    # kernel for a CPU, which reads the prefix, is not.
    assert 0.98 * least <= counted < 1.15 * least


def test_bytes_of_a_step(tiny_model: Any) -> None:
    step = ForwardPass("decode", [0, 1, 2], 1, own_tokens=60)
    weights = sum(
        p.numel() for p in tiny_model.parameters()
    )  # the head is the embedding
    a_token = 2 * 2 * 2 * 16
    got = work(tiny_model, step, prefix=100).bytes
    assert got == 4 * (weights + (60 + 100) * a_token)


def test_the_lower_ceiling_decides() -> None:
    ceiling = Ceiling(flops=100.0, bandwidth=10.0)
    assert Work(flops=50, bytes=20).seconds(ceiling) == 2.0
    assert Work(flops=500, bytes=20).seconds(ceiling) == 5.0


def test_passes_add_up(tiny_model: Any) -> None:
    ceiling = Ceiling(1e9, 1e9)
    passes = [
        ForwardPass("prefix", [], 20, 0),
        ForwardPass("prefill", [0, 1], 5, 9),
        ForwardPass("decode", [0, 1], 1, 11),
    ]
    want = work(tiny_model, passes[0], 0).seconds(ceiling)
    want += sum(
        work(tiny_model, p, 20).seconds(ceiling) for p in passes[1:]
    )
    assert minimum_seconds(tiny_model, passes, ceiling) == pytest.approx(
        want
    )


def test_a_ceiling_is_measured() -> None:
    ceiling = measure_ceiling(torch.device("cpu"), torch.float32, rounds=1)
    assert ceiling.flops > 1e8
    assert ceiling.bandwidth > 1e7
    assert peak_memory(torch.device("cpu")) > 50e6
