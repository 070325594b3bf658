"""Rows of both trainings, and the files between the stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unitconv.grading.answer import is_correct, parse_answer
from unitconv.grading.audit import reasoning_is_valid
from unitconv.inference.llm import LLM
from unitconv.task.dataset import DataError, Question, load_split
from unitconv.training.examples import (
    read_triples,
    reference_triples,
    rft_rows,
    sft_rows,
    write_triples,
    write_value,
)
from unitconv.training.hardware import PRESETS, pick_preset
from unitconv.training.lora import TrainingSettings
from unitconv.training.loss_mask import IGNORE


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (6000.0, "6000"),
        (31557600.0, "31560000"),
        (0.0328083989, "0.03281"),
        (1e-5, "0.00001"),
        (99999.0, "100000"),
        (2.5, "2.5"),
        (0.0, "0"),
    ],
)
def test_values_are_plain_digits(value: float, written: str) -> None:
    assert write_value(value) == written


@given(st.floats(1e-4, 1e9))
def test_a_written_value_is_graded_right(value: float) -> None:
    text = write_value(value)
    assert "e" not in text.lower()
    assert float(text) == pytest.approx(value, rel=5.1e-4)


def test_sft_learns_the_answer_alone(course: LLM) -> None:
    questions = load_split("train")[:50]
    for question, row in zip(
        questions, sft_rows(questions, course.tokenizer), strict=True
    ):
        learned = [label for label in row.labels if label != IGNORE]
        text = course.tokenizer.decode(learned[:-1])
        assert text.startswith(" <answer>")
        assert is_correct(parse_answer(text), question.answer)
        assert not reasoning_is_valid(text)


def test_the_reference_reasoning_is_right_and_valid(course: LLM) -> None:
    questions = load_split("valid")
    triples = reference_triples(questions)
    assert len(triples) > 0.95 * len(questions)
    for _, answer, reasoning in triples:
        assert is_correct(parse_answer(reasoning), answer), reasoning
        assert reasoning_is_valid(reasoning), reasoning
    row = rft_rows(triples[:1], course.tokenizer)[0]
    learned = [label for label in row.labels if label != IGNORE]
    text = course.tokenizer.decode(learned[:-1])
    assert text == " " + triples[0][2]
    assert not reference_triples([Question("Hm?", 1.0)])


def test_triples_come_back(tmp_path: Path) -> None:
    path = tmp_path / "rft.json"
    triples = reference_triples(load_split("valid")[:9])
    write_triples(triples, path)
    assert read_triples(path) == triples
    assert json.loads(path.read_text()) == [list(t) for t in triples]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[", "line 1"),
        ("[]", "at least one"),
        ("{}", "expected a list"),
        ('[["q", 1, "r"], ["q", 1]]', "entry 2"),
        ('[["q", "1", "r"]]', "entry 1"),
        ('[["q", true, "r"]]', "entry 1"),
        ('[["", 1, "r"]]', "entry 1"),
        ('[["q", 1, " "]]', "entry 1"),
    ],
)
def test_a_broken_file_is_named_with_its_place(
    tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "rft.json"
    path.write_text(content)
    with pytest.raises(DataError, match=says) as error:
        read_triples(path)
    assert str(path) in str(error.value)
    with pytest.raises(DataError, match=r"missing\.json"):
        read_triples(tmp_path / "missing.json")


def test_the_preset_follows_the_accelerator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    assert pick_preset(torch.device("cpu")) is PRESETS["cpu"]
    for capability, name in [
        ((7, 5), "t4"),
        ((8, 0), "ampere"),
        ((9, 0), "ampere"),
    ]:
        monkeypatch.setattr(
            torch.cuda, "get_device_capability", lambda _, c=capability: c
        )
        assert pick_preset(torch.device("cuda")).name == name
    settings = TrainingSettings(
        epochs=7, learning_rate=0.1, dropout=0.2, max_adapter_mb=3.0
    )
    applied = PRESETS["t4"].apply(settings)
    assert applied.gradient_checkpointing
    assert (applied.epochs, applied.learning_rate) == (7, 0.1)
    assert (applied.dropout, applied.max_adapter_mb) == (0.2, 3.0)
