"""Every rung of the ladder gives the same tokens, each in its own way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from experiments.ablation_steps import (
    ROLLOUT_STEPS,
    STEPS,
    ASlotForEachSample,
    Job,
    NothingShared,
    PrefixCopied,
    Static,
    until_stop,
)
from experiments.engine_ablation import gains, measure, record
from tests.oracle import by_transformers, random_prompts
from unitconv.inference.old_engine import Pass, attention
from unitconv.inference.old_engine.batching import Engine
from unitconv.inference.reference import Decoding

HOW = Decoding(max_new_tokens=12)


def ends_seldom(token_ids: list[int]) -> bool:
    return token_ids[-1] % 7 == 0


@pytest.fixture
def job(tiny_model: Any) -> Job:
    """Eleven prompts of several lengths with 20 tokens in common, for
    four slots."""
    [start] = random_prompts(tiny_model, [20], seed=9)
    ends = random_prompts(tiny_model, [1 + (7 * i) % 5 for i in range(11)])
    prompts = [[*start, *end] for end in ends]
    return Job(tiny_model, prompts, ends_seldom, slots=4, settings=HOW)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_gives_the_tokens_of_transformers(
    name: str, job: Job
) -> None:
    alone = [by_transformers(job.model, p, 12) for p in job.prompts]
    want = [until_stop(tokens, ends_seldom) for tokens in alone]
    assert len({len(reply) for reply in want}) > 2
    assert STEPS[name](job) == want


def passes(kind: type[Engine], job: Job) -> tuple[list[Pass], Engine]:
    told: list[Pass] = []
    limits = [12] * len(job.prompts)
    engine = kind(
        *(
            job.model,
            job.prompts,
            job.settings,
            job.samples,
            job.slots,
            limits,
        ),
        observe=told.append,
    )
    engine.run(job.stop, None)
    return told, engine


def tokens_read(told: list[Pass]) -> int:
    """Of prompts, padding not counted."""
    prefix = sum(p.width for p in told if p.kind == "prefix")
    return prefix + sum(p.own for p in told if p.kind == "prefill")


def test_a_static_batch_stays_together(job: Job) -> None:
    told, _ = passes(Static, job)
    widths = [len(p.prompts) for p in told if p.kind == "decode"]
    # 4, 4 and 3 rows, each time until the last of them is done.
    assert widths == sorted(widths, reverse=True)
    assert {*widths} == {4, 3}
    refilled, _ = passes(NothingShared, job)
    rows = [len(p.prompts) for p in refilled if p.kind == "decode"]
    assert sum(rows) < sum(widths)
    assert len(rows) < len(widths)


def test_what_is_read_of_the_prompts(job: Job) -> None:
    every = sum(map(len, job.prompts))
    once = 20 + every - 20 * len(job.prompts)
    assert tokens_read(passes(Static, job)[0]) == every
    assert tokens_read(passes(NothingShared, job)[0]) == every
    assert tokens_read(passes(PrefixCopied, job)[0]) == once
    assert tokens_read(passes(Engine, job)[0]) == once


def test_a_copied_prefix_lies_in_every_slot(job: Job) -> None:
    _, copied = passes(PrefixCopied, job)
    _, shared = passes(Engine, job)
    assert copied.cache.prefix(0) is None
    for page in range(1, job.slots + 1):
        there = copied.cache.keys[:, page, :, :20]
        assert there.equal(shared.cache.prefix_keys)


def test_samples_share_slots_or_do_not(job: Job) -> None:
    warm = replace(HOW, temperature=0.3)
    several = replace(job, settings=warm, samples=3, slots=40)
    apart, together = (decode(several) for decode in ROLLOUT_STEPS.values())
    assert apart == together
    assert len(together) == 3 * len(job.prompts)
    read = []
    for kind in (ASlotForEachSample, Engine):
        told, _ = passes(kind, several)
        steps = [p.prompts for p in told if p.kind == "decode"]
        read.append(sum(map(len, steps)))
    assert read[0] == sum(len(reply) - 1 for reply in together)
    assert read[1] < read[0]


def test_only_the_last_rung_drops_small_weights(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(attention, "without_subnormals", calls.append)
    *before, last = STEPS.values()
    for decode in before:
        decode(job)
    assert not calls
    last(job)
    assert calls


def test_gains_are_medians_of_ratios_within_a_turn() -> None:
    times = {
        "a": {"cpu": [8.0, 80.0, 9.0], "wall": [1.0, 1.0, 1.0]},
        "b": {"cpu": [4.0, 20.0, 3.0], "wall": [2.0, 2.0, 4.0]},
    }
    assert gains(times) == [None, 3.0]
    assert gains(times, "wall") == [None, 0.5]


def test_a_record_says_what_ran(job: Job) -> None:
    steps = {name: STEPS[name] for name in list(STEPS)[-2:]}
    times = measure(job, 2, steps)
    found = record(job, times, replace(job, samples=3), times, threads=1)
    assert found["rollouts"] == {
        "steps": found["steps"],
        **{"questions": 11, "samples": 3, "slots": 4},
    }
    assert [step["name"] for step in found["steps"]] == [*steps]
    assert all(
        len(step["cpu"]) == len(step["wall"]) == 2
        for step in found["steps"]
    )
    run = found["run"]
    assert (run["questions"], run["slots"]) == (11, 4)
    assert {"machine", "versions", "when", "threads"} <= run.keys()


def test_other_tokens_are_refused(job: Job) -> None:
    def wrong(job: Job) -> list[list[int]]:
        return [[1] for _ in job.prompts]

    steps = {"right": STEPS["prefix attended once"], "wrong": wrong}
    with pytest.raises(ValueError, match="'wrong': other tokens"):
        measure(job, 1, steps)
