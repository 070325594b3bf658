"""Workloads, the glue of the other decoders, and the record of a run.

CTranslate2 is not installed with the course, so it is not run here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import experiments.peers.__main__ as peers
from experiments.peers import decoders
from experiments.peers.decoders import StopAtLengths, load_unitconv
from experiments.peers.worker import Worker
from experiments.peers.workload import Workload, course_workloads
from experiments.timing import Seconds, paired_ratio

JOB = Workload("evaluation", [[7, 8, 1], [7, 8]], lengths=[4, 2])


def test_replies_are_gathered_by_prompt() -> None:
    job = Workload("rollouts", JOB.prompts, [1, 2], samples=2)
    assert job.n_tokens == 6
    assert job.by_prompt([[5], [6], [7, 7], [8, 8]]) == [
        [[5], [6]],
        [[7, 7], [8, 8]],
    ]


@pytest.mark.parametrize("replies", [[[1] * 4], [[1] * 2, [1] * 4]])
def test_replies_of_other_lengths_are_refused(
    replies: list[list[int]],
) -> None:
    with pytest.raises(ValueError, match="other lengths"):
        JOB.by_prompt(replies)


def test_rollouts_have_a_tenth_of_the_questions_and_ten_samples() -> None:
    evaluation, rollouts = course_workloads(20)
    assert len(evaluation.prompts) == 20
    assert (len(rollouts.prompts), rollouts.samples) == (2, 10)
    assert evaluation.temperature == 0 < rollouts.temperature
    # The engine, with lengths as limits, emits what was asked for.
    assert rollouts.by_prompt(load_unitconv(rollouts, 8)())


def test_rows_of_transformers_end_each_at_its_own_length() -> None:
    stop = StopAtLengths(width=2, lengths=[1, 3])
    output = torch.tensor([[1, 2, 3, 4, 9], [5, 6, 7, 8, 10]])
    ended = [stop(output[:, :n], None).tolist() for n in (2, 3, 5)]
    assert ended == [[False, False], [True, False], [True, True]]


@pytest.mark.slow
def test_llama_cpp_returns_the_token_ids_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "WORK", tmp_path)
    decode = decoders.load_llamacpp(JOB, 2)
    assert decode() == decode() == load_unitconv(JOB, 2)()


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=7))
def test_a_machine_that_slows_down_changes_no_ratio(
    drift: list[float],
) -> None:
    ratio = paired_ratio([6 * d for d in drift], [2 * d for d in drift])
    assert ratio == {"median": 3.0, "low": 3.0, "high": 3.0}


class FakeWorker(Worker):
    """A worker that takes 1 s, or less the nearer to 100 its slots."""

    def __init__(self, name: str, workload: Workload, slots: int) -> None:
        self.name, self.workload = name, workload
        ours = name == "unitconv"
        self.wall = 1.0 if ours else abs(slots - 100) / 10

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self) -> Any:
        rows = [[[1] * n] for n in self.workload.lengths]
        if self.name == "llama.cpp":
            rows[0] = [[2] * self.workload.lengths[0]]
        return rows, Seconds(self.wall, self.wall)


def test_a_record_has_a_row_for_each_workload_and_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # undone with the test
    monkeypatch.setattr(peers, "Worker", FakeWorker)
    monkeypatch.setattr(peers, "WORK", tmp_path)
    monkeypatch.setattr(peers, "course_workloads", lambda _: [JOB])
    out = tmp_path / "peers.json"
    peers.main(questions=10, turns=2, slots="64,128", decoder=None, out=out)
    record = json.loads(out.read_text())
    assert {"machine", "versions", "when"} <= record["run"].keys()
    rows = {row["decoder"]: row for row in record["rows"]}
    assert list(rows) == ["transformers", "ctranslate2", "llama.cpp"]
    # Each decodes with the number of slots that it is fastest with.
    assert rows["ctranslate2"]["slots"] == {
        "unitconv": 256,
        "ctranslate2": 128,
    }
    assert rows["ctranslate2"]["ratio"]["wall"]["median"] == 2.8
    assert rows["ctranslate2"]["seconds"]["cpu"]["unitconv"] == [1.0, 1.0]
    assert rows["transformers"]["same_replies"] == 1.0
    assert rows["llama.cpp"]["same_replies"] == 0.5


@pytest.mark.slow
def test_a_worker_decodes_in_a_process_of_its_own() -> None:
    workload = course_workloads(10)[0]
    with Worker("unitconv", workload, 4) as worker:
        replies, seconds = worker.run()
    flat = [reply for row in replies for reply in row]
    assert flat == load_unitconv(workload, 4)()
    assert min(seconds) > 0


@pytest.mark.slow
def test_a_worker_that_dies_is_noticed() -> None:
    with (
        pytest.raises(RuntimeError, match="unitconv has died"),
        Worker("unitconv", Workload("none", [[]], [1]), 4),
    ):
        pass
