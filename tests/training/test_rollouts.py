"""Rollouts: grading, the JSONL file, and resuming after a kill."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.common.files import json_lines
from unitconv.common.files.lock_file import LockError
from unitconv.common.files.shards import shard_path
from unitconv.evaluation.grade import grade
from unitconv.inference.llm import LLM, Generation
from unitconv.task.dataset import Question, load_split
from unitconv.training import rollouts
from unitconv.training.rollouts import (
    REJECTION_REASONS,
    RolloutError,
    RolloutRecord,
    RolloutSettings,
    read_rollouts,
    rejection_reason,
    sample_rollouts,
)

GRAMS = Question("How many gram are there per 6 kg?", 6000.0)
FALSE = "false statement"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>", None),
        ("6 kg = 6 * 1000 g = 6000 g. <answer>6000</answer>", None),
        ("1 kg = 2 g. 3 * 2000 = 6000. <answer>6000</answer>", FALSE),
        ("1 kg = 100 g. <answer>600</answer>", "wrong answer"),
        ("6 * 1000 = 6100. <answer>6100</answer>", "near miss"),
        ("<answer>6000</answer>", "no reasoning"),
        ("1 * 1 = 1. <answer>6000</answer>", "does not lead to the answer"),
        ("6 * 1000 = 6000. <answer>6000 kg</answer>", "wrong answer"),
        ("It is 6000.", "no answer"),
        ("", "no answer"),
    ],
)
def test_the_first_reason_rejects_a_completion(
    text: str, reason: str | None
) -> None:
    graded = grade(GRAMS, Generation(text, 1, True))
    assert rejection_reason(graded) == reason
    assert reason in (None, *REJECTION_REASONS)


@pytest.mark.parametrize(
    "bad",
    [
        {"num_return_sequences": 0},
        {"temperature": -1.0},
        {"top_p": 1.5},
        {"max_new_tokens": 0},
        {"tolerance": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UnitconvError, match=next(iter(bad))):
        RolloutSettings(**bad)


SETTINGS = RolloutSettings(
    num_return_sequences=3, temperature=1.0, max_new_tokens=6
)


@pytest.fixture(scope="module")
def tiny(tiny_model: Any, byte_tokenizer: Any) -> LLM:
    return LLM(tiny_model, byte_tokenizer, "raw")


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return load_split("train")[:18]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "CHUNK_SIZE", 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollouts.jsonl"


@pytest.fixture
def whole(tiny: LLM, questions: list[Question], tmp_path: Path) -> bytes:
    """The file of an uninterrupted run."""
    path = tmp_path / "whole.jsonl"
    sample_rollouts(tiny, questions, SETTINGS, path)
    return path.read_bytes()


def test_every_rollout_is_recorded(
    tiny: LLM, questions: list[Question], path: Path
) -> None:
    done: list[int] = []
    records = sample_rollouts(
        tiny, questions, SETTINGS, path, progress=done.append
    )
    assert done == [0, 4, 4, 4, 4, 2]
    assert [r.question for r in records] == [q.text for q in questions]
    assert all(len(r.rollouts) == 3 for r in records)
    assert read_rollouts(path) == records
    header = json.loads(path.read_text().splitlines()[0])
    assert header["settings"]["temperature"] == 1.0
    assert header["questions"] == 18


class Killed(BaseException):
    """Stands for `kill -9`: nothing in the library catches it."""


def kill_in_append(
    monkeypatch: pytest.MonkeyPatch, chunk: int, share: float
) -> None:
    """Kill the run when it has written a share of a chunk's bytes."""
    append, calls = json_lines.append_lines, iter(range(99))

    def killed(path: Path, records: list[RolloutRecord]) -> None:
        before = path.stat().st_size
        append(path, records)
        if next(calls) == chunk:
            written = path.stat().st_size - before
            os.truncate(path, before + int(share * written))
            raise Killed

    monkeypatch.setattr(json_lines, "append_lines", killed)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.999, 1.0])
@pytest.mark.parametrize("chunk", [0, 2, 4])
def test_a_run_killed_while_it_writes_ends_with_the_same_bytes(
    tiny: LLM,
    questions: list[Question],
    whole: bytes,
    path: Path,
    chunk: int,
    share: float,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_in_append(patch, chunk, share)
        with pytest.raises(Killed):
            sample_rollouts(tiny, questions, SETTINGS, path)
    done: list[int] = []
    sample_rollouts(tiny, questions, SETTINGS, path, progress=done.append)
    assert path.read_bytes() == whole
    assert sum(done) == len(questions)
    # On a GPU a text may depend on its batch: only whole chunks are kept.
    assert done[0] in (4 * chunk, min(4 * chunk + 4, 18))


def test_a_file_is_not_continued_with_other_settings(
    tiny: LLM, questions: list[Question], whole: bytes, path: Path
) -> None:
    path.write_bytes(whole)
    other = replace(SETTINGS, temperature=0.5)
    with pytest.raises(RolloutError, match=r"other settings \(settings\)"):
        sample_rollouts(tiny, questions, other, path)
    with pytest.raises(RolloutError, match="digest, questions"):
        sample_rollouts(tiny, questions[1:], SETTINGS, path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "text", ["It was a dark night.\n", "It was", "[1]\n", "{}"]
)
def test_a_file_that_is_not_a_record_is_left_alone(
    tiny: LLM, questions: list[Question], path: Path, text: str
) -> None:
    path.write_text(text)
    with pytest.raises(RolloutError, match="line 1"):
        sample_rollouts(tiny, questions, SETTINGS, path)
    assert path.read_text() == text


@pytest.mark.parametrize("line", ['{"question": 1}', '{"que', "[]"])
def test_a_broken_line_is_named(
    whole: bytes, path: Path, line: str
) -> None:
    lines = whole.decode().splitlines()
    path.write_text("\n".join([*lines[:3], line]))
    with pytest.raises(RolloutError, match="line 4"):
        read_rollouts(path)


def test_a_header_without_its_line_end_is_left_alone(
    tiny: LLM, questions: list[Question], whole: bytes, path: Path
) -> None:
    header = whole.splitlines()[0]
    path.write_bytes(header)
    with pytest.raises(RolloutError, match="line 1: no valid record"):
        sample_rollouts(tiny, questions, SETTINGS, path)
    assert path.read_bytes() == header


@pytest.mark.parametrize(
    ("order", "line"),
    [
        ([*range(19), 18], 20),  # written by two runs at once
        ([0, 1, 2, 5, 4], 4),
        ([0, 1, 2, 0], 4),
        ([0, *range(2, 19)], 2),
    ],
)
def test_a_line_of_another_run_is_named_and_left_alone(
    tiny: LLM,
    questions: list[Question],
    whole: bytes,
    path: Path,
    order: list[int],
    line: int,
) -> None:
    lines = whole.splitlines(keepends=True)
    content = b"".join(lines[i] for i in order)
    path.write_bytes(content)
    with pytest.raises(RolloutError, match=f"line {line}: no valid record"):
        sample_rollouts(tiny, questions, SETTINGS, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("n_lines", [1, 7, 19])
def test_a_file_of_an_older_version_goes_on_with_checksums(
    tiny: LLM,
    questions: list[Question],
    whole: bytes,
    path: Path,
    n_lines: int,
) -> None:
    old = [
        line[: line.rindex(b', "crc32"')] + b"}\n"
        for line in whole.splitlines()[:n_lines]
    ]
    path.write_bytes(b"".join(old))
    assert len(read_rollouts(path)) == n_lines - 1
    done: list[int] = []
    sample_rollouts(tiny, questions, SETTINGS, path, progress=done.append)
    assert path.read_bytes() == whole
    assert done[0] == {1: 0, 7: 4, 19: 18}[n_lines]


def test_a_second_run_on_the_same_file_is_refused(
    tiny: LLM, questions: list[Question], whole: bytes, path: Path
) -> None:
    started: list[int] = []

    def start_another(done: int) -> None:
        started.append(done)
        with pytest.raises(LockError, match=f"process {os.getpid()} on "):
            sample_rollouts(tiny, questions, SETTINGS, path)

    run = (tiny, questions, SETTINGS, path)
    sample_rollouts(*run, progress=start_another)
    assert len(started) > 3
    assert path.read_bytes() == whole


def sample_as(
    rank: int, world_size: int, *run: Any, to_barrier: bool = False
) -> None:
    """Run one of several processes, or kill it at the first barrier."""

    def barrier() -> None:
        if to_barrier:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANK", str(rank))
        patch.setenv("WORLD_SIZE", str(world_size))
        patch.setattr(distributed, "barrier", barrier)
        with pytest.raises(Killed) if to_barrier else nullcontext():
            sample_rollouts(*run)


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_merged_shards_are_the_bytes_of_one_process(
    tiny: LLM,
    questions: list[Question],
    whole: bytes,
    path: Path,
    world_size: int,
) -> None:
    run = (tiny, questions, SETTINGS, path)
    for rank in range(1, world_size):
        sample_as(rank, world_size, *run, to_barrier=True)
    # A kill in the middle of the second process' shard.
    shard = shard_path(path, 1, world_size)
    shard.write_bytes(shard.read_bytes()[:-9])
    sample_as(1, world_size, *run, to_barrier=True)
    sample_as(0, world_size, *run)
    assert path.read_bytes() == whole
    names = {p.name for p in path.parent.iterdir()}
    assert names == {"rollouts.jsonl", "whole.jsonl"}
    sample_as(1, world_size, *run)  # nothing to do


def test_several_processes_do_not_continue_the_file_of_one(
    tiny: LLM, questions: list[Question], whole: bytes, path: Path
) -> None:
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:6]))
    with pytest.raises(RolloutError, match="let one go on with it"):
        sample_as(0, 2, tiny, questions, SETTINGS, path)
