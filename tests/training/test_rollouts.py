"""Rejection: what is kept and why, and that a kill loses nothing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unitconv.evaluation.grade import grade
from unitconv.grading.answer import is_correct, parse_answer
from unitconv.grading.audit import reasoning_is_valid
from unitconv.inference.llm import LLM, Generation
from unitconv.task.dataset import Question, load_split
from unitconv.training import rollouts
from unitconv.training.rejection_sampling import path_key, select, success
from unitconv.training.rollouts import (
    Record,
    RolloutError,
    RolloutSettings,
    judge,
    read_records,
    sample_rollouts,
    to_record,
)

GRAMS = Question("How many gram are there per 6 kg?", 6000.0)
RIGHT = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
OTHER = "6 kg = 6 * 1000 g = 6000 g. <answer>6000</answer>"
LUCKY = "1 kg = 2000 g. 3 * 2000 = 6000. <answer>6000</answer>"
NEAR = "1 kg = 1000 g. 6 * 1000 = 6100. <answer>6100</answer>"
WRONG = "1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>"


def record(*texts: str) -> Record:
    return to_record(
        GRAMS, [grade(GRAMS, Generation(t, len(t), True)) for t in texts]
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (RIGHT, None),
        (OTHER, None),
        (LUCKY, "false statement"),
        (WRONG, "wrong answer"),
        (NEAR, "near miss"),
        ("<answer>6000</answer>", "no reasoning"),
        ("It is 6000.", "no answer"),
        ("", "no answer"),
    ],
)
def test_why_a_completion_is_rejected(
    text: str, reason: str | None
) -> None:
    graded = grade(GRAMS, Generation(text, 1, True))
    assert judge(graded) == reason
    assert reason is None or reason in rollouts.REASONS


def test_a_path_is_its_equations() -> None:
    assert path_key("So 1 kg = 1000 g; thus 6 * 1000 = 6000.") == path_key(
        "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
    )
    assert path_key(RIGHT) != path_key(OTHER)


def test_distinct_paths_are_taken_in_order() -> None:
    words = RIGHT.replace(". 6", ", so 6")
    rows = [record(WRONG, RIGHT, words, OTHER, LUCKY)]
    assert select(rows, 1) == [(GRAMS.text, 6000.0, RIGHT)]
    assert [t[2] for t in select(rows, 5)] == [RIGHT, OTHER]
    assert select([record(WRONG)], 3) == []
    with pytest.raises(ValueError, match="distinct, random"):
        select(rows, 1, "best")


def test_the_control_takes_as_many_without_looking() -> None:
    rows = [
        replace(record(WRONG, RIGHT, LUCKY, ""), question=f"{i}")
        for i in range(200)
    ]
    control = [reasoning for _, _, reasoning in select(rows, 1, "random")]
    assert len(control) == 200
    assert {WRONG, RIGHT, LUCKY} == set(control)
    assert 40 < control.count(RIGHT) < 95
    assert control == [t[2] for t in select(rows, 1, "random")]


def test_success_grows_with_the_samples() -> None:
    rows = [record(WRONG, RIGHT), record(RIGHT, ""), record("", WRONG)]
    rates = [success(rows, n).successes for n in (1, 2, None)]
    assert rates == [1, 2, 2]


# ------------------------------------------------------------ on the disk

SETTINGS = RolloutSettings(
    num_return_sequences=3, temperature=1.0, max_new_tokens=6
)


@pytest.fixture(scope="module")
def tiny(tiny_model: Any, byte_tokenizer: Any) -> LLM:
    return LLM(tiny_model, byte_tokenizer, "raw")


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    monkeypatch.setattr(rollouts, "CHUNK", 4)
    return load_split("train")[:18]


@pytest.fixture
def whole(tiny: LLM, questions: list[Question], tmp_path: Path) -> bytes:
    path = tmp_path / "whole.jsonl"
    sample_rollouts(tiny, questions, SETTINGS, path)
    return path.read_bytes()


def test_every_rollout_is_written_down(
    tiny: LLM, questions: list[Question], tmp_path: Path
) -> None:
    path = tmp_path / "r.jsonl"
    seen: list[int] = []
    records = sample_rollouts(
        tiny, questions, SETTINGS, path, progress=seen.append
    )
    assert sum(seen) == len(questions)
    assert [r.question for r in records] == [q.text for q in questions]
    assert all(len(r.rollouts) == 3 for r in records)
    assert read_records(path) == records
    first = json.loads(path.read_text().splitlines()[0])
    assert first["settings"]["temperature"] == 1.0
    assert first["questions"] == 18


@pytest.mark.parametrize("seed", range(8))
def test_a_run_cut_anywhere_ends_with_the_same_bytes(
    tiny: LLM,
    questions: list[Question],
    whole: bytes,
    tmp_path: Path,
    seed: int,
) -> None:
    header = whole.index(b"\n") + 1
    cut = random.Random(seed).randrange(header, len(whole))
    path = tmp_path / "cut.jsonl"
    path.write_bytes(whole[:cut])
    seen: list[int] = []
    sample_rollouts(tiny, questions, SETTINGS, path, progress=seen.append)
    assert path.read_bytes() == whole
    assert sum(seen) == len(questions)
    # On a GPU a text may depend on its batch: chunks are done as wholes.
    assert seen[0] % rollouts.CHUNK == 0


def test_a_finished_run_is_not_run_again(
    tiny: LLM,
    questions: list[Question],
    whole: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "whole.jsonl"
    monkeypatch.setattr(rollouts, "_roll", None)
    assert len(sample_rollouts(tiny, questions, SETTINGS, path)) == 18
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 0.5},
        {"num_return_sequences": 4},
        {"seed": 1},
        {"max_new_tokens": 7},
        {"tolerance": 0.05},
    ],
)
def test_other_settings_do_not_go_on_in_the_old_file(
    tiny: LLM,
    questions: list[Question],
    whole: bytes,
    tmp_path: Path,
    changed: dict[str, Any],
) -> None:
    path = tmp_path / "whole.jsonl"
    with pytest.raises(RolloutError, match="other settings"):
        sample_rollouts(tiny, questions, replace(SETTINGS, **changed), path)
    with pytest.raises(RolloutError, match="digest, questions"):
        sample_rollouts(tiny, questions[1:], SETTINGS, path)
    assert path.read_bytes() == whole


def test_a_file_that_is_no_record_is_left_alone(
    tiny: LLM, questions: list[Question], tmp_path: Path
) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("It was a dark night.\n")
    with pytest.raises(RolloutError, match="line 1"):
        sample_rollouts(tiny, questions, SETTINGS, path)
    assert path.read_text() == "It was a dark night.\n"


def test_a_broken_line_is_named(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b'{"question": 1}\n']))
    with pytest.raises(RolloutError, match="line 4"):
        read_records(path)


def test_what_is_kept_is_right_and_audited(
    course: LLM, tmp_path: Path
) -> None:
    questions = load_split("valid")[:6]
    settings = RolloutSettings(num_return_sequences=4)
    records = sample_rollouts(
        course, questions, settings, tmp_path / "r.jsonl"
    )
    seen = {r.reason for record in records for r in record.rollouts}
    assert None in seen
    assert len(seen) > 1
    for record in records:
        for rollout in record.kept:
            assert is_correct(parse_answer(rollout.text), record.answer)
            assert reasoning_is_valid(rollout.text)
