"""Training examples: tokens, loss mask, padding, and the triples file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unitconv.evaluation.reasoning_path import uses_steps
from unitconv.grading.answer import is_correct, parse_answer
from unitconv.grading.audit import reasoning_is_valid
from unitconv.grading.tasks.multiplication import MULTIPLICATION
from unitconv.inference.llm import LLM
from unitconv.task.dataset import (
    VALIDATION_SPLITS,
    DataError,
    Question,
    load_split,
    load_splits,
)
from unitconv.task.prompts import format_prompt
from unitconv.task.question_parser import Conversion
from unitconv.training.examples import (
    IGNORE_INDEX,
    LabelError,
    ReasoningExample,
    TrainingExample,
    collate,
    make_example,
    read_triples,
    reference_triples,
    rft_examples,
    sft_examples,
    write_reasoning,
    write_triples,
    write_value,
)
from unitconv.training.rollouts import KEEP_TOLERANCE

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


def test_a_token_across_the_boundary_is_refused(tokenizer: Any) -> None:
    """SmolLM2 merges "?<", and both tokenizers merge " <"."""
    n_refused = 0
    for prompt in (
        q.text + end for q in load_split("train") for end in " ?"
    ):
        alone, joined = (
            tokenizer.encode(text, add_special_tokens=False)
            for text in (prompt, prompt + "<answer>1</answer>")
        )
        if joined[: len(alone)] == alone:
            make_example(tokenizer, prompt, "<answer>1</answer>")
            continue
        n_refused += 1
        with pytest.raises(LabelError, match="with a space"):
            make_example(tokenizer, prompt, "<answer>1</answer>")
    assert n_refused >= 1000


def test_special_tokens_in_a_training_text_are_text(tokenizer: Any) -> None:
    typed = "<|im_end|>\n<|im_start|>assistant\n"
    write = partial(format_prompt, style="chat", tokenizer=tokenizer)
    n_markers = write("6 kg?").count("<|im_")
    for prompt in (str, write):
        triple = ReasoningExample(f"6 kg?{typed}", 7.0, f"7{typed}8")
        question = Question(f"6 kg?{typed}", 7.0)
        [sft] = sft_examples([question], tokenizer, write_prompt=prompt)
        [rft] = rft_examples([triple], tokenizer, write_prompt=prompt)
        for row in (sft, rft):
            ids = row.input_ids
            found = [i for i in ids if i in tokenizer.all_special_ids]
            assert len(found) == (n_markers if prompt is write else 0) + 1
            assert learned(row).count(tokenizer.eos_token_id) == 1
        assert tokenizer.decode(learned(rft)[:-1]).strip() == f"7{typed}8"


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
    assert batch["labels"].dtype == torch.int64
    longest = len(examples[0].input_ids)
    for row, example in enumerate(examples):
        n = len(example.input_ids)
        assert {name: t[row].tolist() for name, t in batch.items()} == {
            "input_ids": example.input_ids + [end] * (longest - n),
            "attention_mask": [1] * n + [0] * (longest - n),
            "labels": example.labels + [IGNORE_INDEX] * (longest - n),
        }


@pytest.mark.parametrize(
    ("prompt", "target", "message"),
    [
        ("", TARGET, "needs a prompt"),
        (QUESTION, " ", "and a target"),
        (QUESTION, TARGET * 9, "more than 60"),
    ],
)
def test_texts_that_cannot_be_labelled_are_refused(
    course: LLM, prompt: str, target: str, message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        make_example(course.tokenizer, prompt, target, max_length=60)


def test_values_are_plain_digits() -> None:
    written = {
        "6000": 6000.0,
        "31560000": 31557600.0,
        "0.03281": 0.0328083989,
        "0.00001": 1e-5,
        "100000": 99999.0,
        "2.5": 2.5,
        "0": 0.0,
    }
    assert [write_value(value) for value in written.values()] == [*written]


@given(st.floats(1e-4, 1e9))
def test_a_written_value_is_graded_right(value: float) -> None:
    text = write_value(value)
    assert "e" not in text.lower()
    assert float(text) == pytest.approx(value, rel=5.1e-4)


def test_the_reference_reasoning_is_right_and_valid(course: LLM) -> None:
    questions = load_splits(VALIDATION_SPLITS)
    triples = reference_triples(questions)
    assert len(triples) > 0.95 * len(questions)
    for triple in triples:
        answer = parse_answer(triple.reasoning)
        assert is_correct(answer, triple.answer, KEEP_TOLERANCE), triple
        assert reasoning_is_valid(triple.reasoning, triple.question), triple
    [sft] = sft_examples(questions[:1], course.tokenizer)
    [rft] = rft_examples(triples[:1], course.tokenizer)
    tagged = f" <answer>{write_value(questions[0].answer)}</answer>"
    for example, target in (sft, tagged), (rft, f" {triples[0].reasoning}"):
        text = course.tokenizer.decode(learned(example)[:-1])
        assert text == target


@pytest.mark.parametrize(
    ("conversion", "steps"),
    [
        # One digit times anything is worked out at once.
        (Conversion(7, "pound", "gram"), ["7 * 453.6 = 3175.2"]),
        (Conversion(0.05, "mile", "foot"), ["0.05 * 5280 = 264"]),
        (Conversion(123, "meter", "centimeter"), ["123 * 100 = 12300"]),
        # The quantity is split, whichever number has fewer digits.
        (
            Conversion(7.75, "pound", "gram"),
            [
                *["7 * 453.6 = 3175.2", "0.7 * 453.6 = 317.52"],
                *["0.05 * 453.6 = 22.68", "3175.2 + 317.52 = 3492.72"],
                "3492.72 + 22.68 = 3515.4",
            ],
        ),
        (
            Conversion(345, "foot", "inch"),
            [
                *["300 * 12 = 3600", "40 * 12 = 480", "5 * 12 = 60"],
                *["3600 + 480 = 4080", "4080 + 60 = 4140"],
            ],
        ),
    ],
)
def test_products_of_several_digits_are_written_in_steps(
    conversion: Conversion, steps: list[str]
) -> None:
    text = write_reasoning(conversion)
    assert text.split(". ")[1:-1] == steps
    assert text.endswith(f"<answer>{steps[-1].split()[-1]}</answer>")
    assert uses_steps(text) == (len(steps) > 1)


def test_triples_survive_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "rft.json"
    triples = reference_triples(load_split("valid")[:9])
    write_triples(triples, path)
    assert read_triples(path) == triples
    assert json.loads(path.read_text()) == [
        [t.question, t.answer, t.reasoning] for t in triples
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "line 1"),
        ("[]", "at least 1"),
        ('[["q", 1, "r"], ["q", 1]]', "entry 2"),
        ('[["q", true, "r"]]', "entry 1"),
        ('[["q", "1", "r"]]', "entry 1"),
        ('[["q", 1, " "]]', "entry 1"),
    ],
)
def test_a_broken_triples_file_is_named_with_the_place(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "rft.json"
    path.write_text(content)
    with pytest.raises(DataError, match=f"rft.json.*{message}"):
        read_triples(path)
    with pytest.raises(DataError, match=r"missing\.json"):
        read_triples(tmp_path / "missing.json")


def test_the_triples_of_another_task_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rft.json"
    products = reference_triples(
        MULTIPLICATION.load_split("valid")[:3], MULTIPLICATION
    )
    write_triples(products, path, MULTIPLICATION)
    assert json.loads(path.read_text())["task"] == "multiplication"
    assert read_triples(path, MULTIPLICATION) == products
    with pytest.raises(DataError, match="multiplication, not unit-conver"):
        read_triples(path)
    write_triples(products, path)
    with pytest.raises(DataError, match="unit-conversion, not multipl"):
        read_triples(path, MULTIPLICATION)
    path.write_text('{"task": "multiplication", "triples": [["q", 1, 2]]}')
    with pytest.raises(DataError, match=r"entry 1: .*string"):
        read_triples(path, MULTIPLICATION)
    named = '\n {"task": "multiplication", "triples": [["q", %s, "r"]]}'
    path.write_text(named % 1)
    assert [t.answer for t in read_triples(path, MULTIPLICATION)] == [1.0]
    path.write_text(named % '"1"')
    with pytest.raises(DataError, match=r"entry 1: .*number"):
        read_triples(path, MULTIPLICATION)


def test_a_question_that_ends_with_a_space_is_followed_by_another(
    tokenizer: Any,
) -> None:
    """A bare prompt is the question itself, and keeps its own spaces."""
    triple = ReasoningExample("6 kg in g? ", 6000.0, "6 * 1000 = 6000.")
    [rft] = rft_examples([triple], tokenizer)
    assert tokenizer.decode(learned(rft)[:-1]) == " 6 * 1000 = 6000."


def test_a_chat_prompt_is_followed_by_the_target_at_once(
    byte_tokenizer: Any,
) -> None:
    write = partial(format_prompt, style="chat", tokenizer=byte_tokenizer)
    triple = ReasoningExample("6 kg in g?", 6000.0, "6 * 1000 = 6000.")
    [example] = rft_examples([triple], byte_tokenizer, None, write)
    text = byte_tokenizer.decode(example.input_ids[:-1])
    assert text == write(triple.question) + triple.reasoning
    learned = [i for i in example.labels if i != IGNORE_INDEX]
    assert byte_tokenizer.decode(learned[:-1]) == triple.reasoning
    question = Question(triple.question, triple.answer)
    [row] = sft_examples([question], byte_tokenizer, 4, None, write)
    text = byte_tokenizer.decode(row.input_ids[:-1])
    assert text.endswith("assistant\n<answer>6000</answer>")


def test_a_raw_question_may_end_with_a_space(byte_tokenizer: Any) -> None:
    question = Question("6 kg in g? ", 6000.0)
    [row] = sft_examples([question], byte_tokenizer)
    text = byte_tokenizer.decode(row.input_ids[:-1])
    assert text == f"{question.text} <answer>6000</answer>"


def test_an_example_may_fill_the_context_and_no_more(
    byte_tokenizer: Any,
) -> None:
    questions = [Question(QUESTION, 6000.0)]
    triples = [ReasoningExample(QUESTION, 6000.0, TARGET.strip())]
    length = len(QUESTION + TARGET) + 1  # a token a byte, and the end
    for make, given_ in (
        (sft_examples, questions),
        (rft_examples, triples),
    ):
        [example] = make(given_, byte_tokenizer, max_length=length)
        assert len(example.input_ids) == length
        with pytest.raises(LabelError, match=f"{length} tokens, more"):
            make(given_, byte_tokenizer, max_length=length - 1)


def test_bare_answers_have_the_digits_asked_for(
    byte_tokenizer: Any,
) -> None:
    [example] = sft_examples(
        [Question(QUESTION, 453.59237)], byte_tokenizer, digits=6
    )
    *text, _ = learned(example)
    assert byte_tokenizer.decode(text) == " <answer>453.592</answer>"


def test_written_triples_are_counted(tmp_path: Path) -> None:
    triples = [ReasoningExample(QUESTION, 6000.0, "6 * 1000 = 6000.")] * 3
    assert write_triples(triples, tmp_path / "triples.json") == 3
