"""Training examples: tokens, loss mask, padding, and the triples file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unitconv.grading.answer import is_correct, parse_answer
from unitconv.grading.audit import reasoning_is_valid
from unitconv.inference.llm import LLM
from unitconv.task.dataset import DataError, Question, load_split
from unitconv.training.examples import (
    IGNORE_INDEX,
    LabelError,
    TrainingExample,
    collate,
    make_example,
    read_triples,
    rft_examples,
    sft_examples,
    write_triples,
    write_value,
)
from unitconv.training.pipelines import reference_triples

QUESTION = "How many gram are there per 6 kg?"
TARGET = " <answer>6000</answer>"


@pytest.fixture(params=["course", "smollm2"])
def tokenizer(request: pytest.FixtureRequest, course: LLM) -> Any:
    if request.param == "course":
        return course.tokenizer
    return request.getfixturevalue("smollm2_tokenizer")


def learned(example: TrainingExample) -> list[int]:
    return [label for label in example.labels if label != IGNORE_INDEX]


def test_every_training_question_learns_its_target_and_one_end(
    tokenizer: Any,
) -> None:
    questions = load_split("train")
    assert len(questions) == 1000
    for question in questions:
        target = f" <answer>{question.answer:.4g}</answer>"
        example = make_example(tokenizer, question.text, target)
        *text, end = learned(example)
        assert tokenizer.decode(text) == target
        assert end == tokenizer.eos_token_id
        assert example.labels.count(tokenizer.eos_token_id) == 1
        # What is read before the target is what a raw prompt reads.
        alone = tokenizer(question.text, add_special_tokens=False)
        assert (
            example.input_ids[: len(alone["input_ids"])]
            == alone["input_ids"]
        )
        assert len(example.input_ids) == len(example.labels)


def test_a_token_across_the_boundary_is_refused(
    tokenizer: Any,
) -> None:
    """SmolLM2 merges "?<" if no space separates prompt and target."""
    for question in load_split("train"):
        joined = tokenizer(
            question.text + "<answer>", add_special_tokens=False
        )["input_ids"]
        alone = tokenizer(question.text, add_special_tokens=False)
        merged = joined[: len(alone["input_ids"])] != alone["input_ids"]
        if merged:
            with pytest.raises(LabelError, match="with a space"):
                make_example(tokenizer, question.text, "<answer>1</answer>")
        else:
            example = make_example(
                tokenizer, question.text, "<answer>1</answer>"
            )
            text = tokenizer.decode(learned(example)[:-1])
            assert text == "<answer>1</answer>"


def test_padding_that_is_the_end_token_hides_no_label(
    byte_tokenizer: Any,
) -> None:
    end = byte_tokenizer.eos_token_id
    assert byte_tokenizer.pad_token_id == end
    examples = [
        make_example(byte_tokenizer, QUESTION, TARGET),
        make_example(byte_tokenizer, "6 kg?", " 6000"),
    ]
    batch = collate(examples, pad_token_id=end)
    for example, labels, mask, ids in zip(
        examples,
        batch["labels"],
        batch["attention_mask"],
        batch["input_ids"],
        strict=True,
    ):
        n = len(example.input_ids)
        assert labels.tolist() == example.labels + [IGNORE_INDEX] * (
            len(labels) - n
        )
        assert labels.tolist().count(end) == 1
        assert mask.tolist() == [1] * n + [0] * (len(mask) - n)
        assert ids[:n].tolist() == example.input_ids
        assert set(ids[n:].tolist()) <= {end}
    assert batch["labels"].dtype == torch.int64


@pytest.mark.parametrize(
    ("prompt", "target", "says"),
    [
        ("", TARGET, "needs a prompt"),
        (QUESTION, "", "and a target"),
        (QUESTION, " 1<|im_end|>", "end token"),
    ],
)
def test_texts_that_cannot_be_labelled_are_refused(
    course: LLM, prompt: str, target: str, says: str
) -> None:
    with pytest.raises(LabelError, match=says):
        make_example(course.tokenizer, prompt, target)


def test_an_example_longer_than_the_context_is_refused(course: LLM) -> None:
    example = make_example(course.tokenizer, QUESTION, TARGET)
    n = len(example.input_ids)
    make_example(course.tokenizer, QUESTION, TARGET, max_length=n)
    with pytest.raises(LabelError, match=f"{n} tokens, more than {n - 1}"):
        make_example(course.tokenizer, QUESTION, TARGET, max_length=n - 1)


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
    for question, example in zip(
        questions, sft_examples(questions, course.tokenizer), strict=True
    ):
        text = course.tokenizer.decode(learned(example)[:-1])
        assert text.startswith(" <answer>")
        assert is_correct(parse_answer(text), question.answer)
        assert not reasoning_is_valid(text)


def test_the_reference_reasoning_is_right_and_valid(course: LLM) -> None:
    questions = load_split("valid")
    triples = reference_triples(questions)
    assert len(triples) > 0.95 * len(questions)
    for triple in triples:
        answer = parse_answer(triple.reasoning)
        assert is_correct(answer, triple.answer), triple
        assert reasoning_is_valid(triple.reasoning), triple
    [example] = rft_examples(triples[:1], course.tokenizer)
    text = course.tokenizer.decode(learned(example)[:-1])
    assert text == " " + triples[0].reasoning
    assert not reference_triples([Question("Hm?", 1.0)])


def test_triples_survive_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "rft.json"
    triples = reference_triples(load_split("valid")[:9])
    write_triples(triples, path)
    assert read_triples(path) == triples
    assert json.loads(path.read_text()) == [
        [t.question, t.answer, t.reasoning] for t in triples
    ]


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
def test_a_broken_triples_file_is_named_with_the_place(
    tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "rft.json"
    path.write_text(content)
    with pytest.raises(DataError, match=says) as error:
        read_triples(path)
    assert str(path) in str(error.value)
    with pytest.raises(DataError, match=r"missing\.json"):
        read_triples(tmp_path / "missing.json")
