"""The benchmark's own arithmetic: requests, lengths, ratios.

The peers are not tested here: they are not dependencies of the course.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.benchmarks import compare
from experiments.benchmarks.compare import same_replies, useful_tokens
from experiments.benchmarks.contests import CONTESTS, dtypes
from experiments.benchmarks.peers.hf import LengthOfEachRow
from experiments.benchmarks.peers.ours import DealtLengths
from experiments.benchmarks.ratios import pairwise
from experiments.benchmarks.record import HEAD, line
from experiments.benchmarks.workloads import (
    Workload,
    WorkloadError,
    build,
    check,
    n_shared,
)
from unitconv.inference.old_engine import generate
from unitconv.inference.reference import Decoding, generate_sequential

PROMPTS = [[7, 8, 1, 2], [7, 8, 1, 3, 4], [7, 8, 5]]
LENGTHS = [4, 2, 3]

prompt_lists = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


# --- requests -------------------------------------------------------------


@given(prompt_lists)
def test_shared_tokens_are_all_that_every_prompt_begins_with(
    prompts: list[list[int]],
) -> None:
    fitting = [
        n
        for n in range(min(map(len, prompts)))  # one token stays unshared
        if all(p[:n] == prompts[0][:n] for p in prompts)
    ]
    assert n_shared(prompts) == max(fitting)


def test_a_workload_keeps_the_lengths_of_the_replies() -> None:
    job = build("evaluation", PROMPTS, LENGTHS, slots=2)
    assert job.lengths == [[4], [2], [3]]
    assert job.shared == [7, 8]
    assert (job.samples, job.n_tokens, job.longest) == (1, 9, 4)
    assert job.context == 4 + 4  # more than 5 + 2 and 3 + 3


def test_samples_take_the_lengths_of_the_prompts_that_follow() -> None:
    job = build("rollouts", PROMPTS, LENGTHS, 4, samples=4)
    assert job.lengths == [[4, 2, 3, 4], [2, 3, 4, 2], [3, 4, 2, 3]]
    assert job.samples == 4


def test_nothing_is_shared_where_prompts_come_one_by_one() -> None:
    assert build("one sequence", PROMPTS, LENGTHS, slots=1).shared == []


def test_a_workload_survives_the_way_to_a_peer() -> None:
    job = build("evaluation", PROMPTS, LENGTHS, 2, temperature=0.8)
    assert Workload(**job.to_json()) == job


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([[1], [2]], "one list of lengths a prompt"),
        ([[1], [2], [0]], "a reply of no tokens"),
        ([[1], [2], [3, 3]], "as many samples everywhere"),
    ],
)
def test_requests_that_do_not_go_together_are_refused(
    lengths: list[list[int]], message: str
) -> None:
    with pytest.raises(WorkloadError, match=message):
        Workload("odd", PROMPTS, lengths, 0, 2)


def test_every_prompt_needs_a_length() -> None:
    with pytest.raises(WorkloadError, match="one length a prompt"):
        build("evaluation", PROMPTS, [4, 2], 2)


def test_a_run_may_deal_the_lengths_otherwise_but_none_else() -> None:
    job = build("evaluation", PROMPTS, LENGTHS, 2)
    check(job, [[2], [3], [4]])
    with pytest.raises(WorkloadError, match="9 tokens in 3 replies"):
        check(job, [[2], [3], [3]])
    # The same sum does not do: long replies cost more than short ones.
    with pytest.raises(WorkloadError, match="or their lengths differ"):
        check(job, [[3], [3], [3]])


# --- how peers are held to the lengths ------------------------------------


def test_a_rule_deals_its_lengths_to_replies_as_they_begin() -> None:
    rule = DealtLengths([2, 1, 3])
    first, second = [5], [5]
    assert not rule(first)
    assert rule(second)
    third = [5]
    assert not rule(third)
    first.append(6)
    third.append(6)
    assert rule(first)
    assert not rule(third)


def test_our_decoder_emits_what_a_workload_asks_for(
    tiny_model: Any,
) -> None:
    prompts = [[5, 6, 7], [5, 6, 8, 9], [5, 6]]
    job = build("evaluation", prompts, LENGTHS, 2)
    done = generate(
        tiny_model,
        prompts,
        DealtLengths(LENGTHS),
        Decoding(job.longest),
        slots=job.slots,
    )
    emitted = [[len(reply.token_ids) for reply in row] for row in done]
    check(job, emitted)
    for prompt, row in zip(prompts, done, strict=True):
        alone = generate_sequential(
            tiny_model,
            prompt,
            lambda _: False,
            Decoding(len(row[0].token_ids)),
        )
        assert row[0].token_ids == alone.token_ids


def test_rows_of_transformers_end_each_at_its_own_length() -> None:
    stop = LengthOfEachRow(width=2, lengths=[1, 3])
    output = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert stop(output[:, :2], None).tolist() == [False, False]
    assert stop(output[:, :3], None).tolist() == [True, False]
    longer = torch.cat([output, torch.tensor([[9], [10]])], dim=1)
    assert stop(longer, None).tolist() == [True, True]
    assert stop.cut(longer) == [[3], [7, 8, 10]]


def test_replies_are_compared_as_far_as_both_go() -> None:
    ours = {"replies": [[[1, 2]], [[3]], [[4, 5]]]}
    peer = {"replies": [[[1, 2, 9]], [[8]], [[4, 5]]]}
    assert same_replies(ours, peer) == 2 / 3
    sampled = {"replies": [[[1], [2]]]}
    assert same_replies(sampled, sampled) is None
    assert same_replies({"tokens": 5}, {"tokens": 5}) is None


def turns(
    workload: Workload, peer: list[Any]
) -> tuple[dict[str, Any], Any]:
    task = {"workload": workload.to_json()}
    right = [[[1] * n for n in row] for row in workload.lengths]
    sides = {"ours": [{"replies": right}], "peer": [{"replies": peer}]}
    return task, sides


def test_every_turn_of_every_peer_is_verified(tmp_path: Path) -> None:
    job = build("evaluation", PROMPTS, LENGTHS, 2)
    path = tmp_path / "task.json"
    task, sides = turns(job, [[[1, 2, 3, 4]], [[1, 2]], [[1, 2, 3]]])
    path.write_text(json.dumps(task))
    assert useful_tokens(path, sides) == 9
    _, sides = turns(job, [[[1, 2, 3, 4]], [[1, 2]], [[1, 2]]])
    with pytest.raises(WorkloadError, match="8 in 3 came"):
        useful_tokens(path, sides)


def test_trainers_must_learn_from_the_same_tokens(tmp_path: Path) -> None:
    sides = {"ours": [{"tokens": 5}], "peer": [{"tokens": 5}]}
    assert useful_tokens(tmp_path, sides) == 5
    sides["peer"] = [{"tokens": 6}]
    with pytest.raises(ValueError, match="different tokens"):
        useful_tokens(tmp_path, sides)


# --- ratios ---------------------------------------------------------------


def test_a_ratio_is_formed_within_a_turn() -> None:
    # The machine halves its speed after the first turn: no ratio changes.
    ratio = pairwise([4.0, 8.0, 10.0], [2.0, 4.0, 4.0])
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 2.0, 2.5)


@pytest.mark.parametrize(("peer", "ours"), [([], []), ([1.0], [1.0, 2.0])])
def test_turns_without_a_partner_have_no_ratio(
    peer: list[float], ours: list[float]
) -> None:
    with pytest.raises(ValueError, match="same turns"):
        pairwise(peer, ours)


# --- the table ------------------------------------------------------------


def test_a_row_of_the_table_has_a_cell_for_each_column() -> None:
    seconds = {"peer": [4.0, 2.0, 8.0], "ours": [1.0, 1.0, 2.0]}
    ratio = {"median": 4.0, "low": 2.0, "high": 4.0}
    row = {
        "job": "evaluation",
        "peer": "other",
        "dtype": "float32",
        "tokens": 100,
        "slots": {"ours": 128, "peer": 64},
        "same_replies": 0.5,
        "goal": 1.8,
        "wall": seconds,
        "cpu": seconds,
        "wall_ratio": ratio,
        "cpu_ratio": ratio,
    }
    written = line(row)
    assert written == (
        "| evaluation | other | float32 | 64 | 128 | 25 | 100 "
        "| 4.00 (2.00-4.00) "
        "| 4.00 (2.00-4.00) | 50% | 1.8 |"
    )
    assert {written.count("|")} == {text.count("|") for text in HEAD}


def test_a_peer_decodes_with_the_slots_it_is_fastest_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    took = {"a": 3.0, "b": 1.0, "c": 2.0}

    class Timed:
        def __init__(self, name: str, task: Path) -> None:
            self.task = task

        def __enter__(self) -> Timed:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def repeat(self) -> dict[str, float]:
            return {"wall": took[self.task.name]}

    monkeypatch.setattr(compare, "Peer", Timed)
    tasks = {32: Path("a"), 64: Path("b"), 128: Path("c")}
    assert compare.fastest("anybody", tasks) == 64
    assert compare.fastest("anybody", {1: Path("a")}) == 1


def test_runs_are_joined_contest_by_contest_and_the_last_one_counts() -> (
    None
):
    def run(when: str, *rows: dict[str, Any], slots: int = 128) -> Any:
        return {"slots": slots, "when": when, "rows": list(rows)}

    late = {"job": "one sequence", "peer": "llamacpp", "tokens": 1}
    early = {"job": "evaluation", "peer": "llamacpp", "tokens": 2}
    again = early | {"tokens": 3}
    found = compare.join([run("1", late, early), run("2", again)])
    assert found == run("1", again, late)
    with pytest.raises(ValueError, match="slots"):
        compare.join([run("1", late), run("2", early, slots=64)])


def test_each_model_has_a_record_of_its_own() -> None:
    assert compare.record_of({"model": "course"}) == "peers.json"
    assert compare.record_of({"model": "smollm2"}) == "peers-smollm2.json"


def test_rollouts_are_as_many_replies_as_an_evaluation() -> None:
    jobs = compare.course_workloads(30, 4)
    evaluation, rollouts = jobs["evaluation"], jobs["rollouts"]
    assert len(evaluation.prompts) == 30
    assert (len(rollouts.prompts), rollouts.samples) == (3, 10)
    assert rollouts.temperature == 0.8


def test_no_contest_is_held_twice() -> None:
    assert len({(c.job, c.peer) for c in CONTESTS}) == len(CONTESTS)


def test_a_contest_is_asked_for_by_its_job_or_its_peer() -> None:
    found = [c.peer for c in CONTESTS if c.matches("one sequence")]
    assert found == ["hf_batched", "llamacpp"]
    jobs = [c.job for c in CONTESTS if c.matches(":llamacpp")]
    assert jobs == ["evaluation", "one sequence"]
    [one] = [c for c in CONTESTS if c.matches("rollouts:hf_batched")]
    assert (one.job, one.peer) == ("rollouts", "hf_batched")
    assert all(c.matches("") for c in CONTESTS)


def test_a_row_tells_a_peer_s_own_dtype() -> None:
    assert dtypes("hf_batched", "bfloat16") == "bfloat16"
    assert dtypes("ctranslate", "float32") == "float32"
    assert dtypes("ctranslate", "bfloat16") == "bfloat16, theirs float32"
    assert dtypes("llamacpp", "float32") == (
        "float32, theirs float32 with a float16 cache"
    )
