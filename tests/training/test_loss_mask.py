"""Which tokens are learned: checked on two tokenizers, every question."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split
from unitconv.training.examples import (
    IGNORE_INDEX,
    LabelError,
    TrainingExample,
    collate,
    make_example,
)

QUESTION = "How many gram are there per 6 kg?"
TARGET = " <answer>6000</answer>"


@pytest.fixture(params=["course", "smollm2"])
def tokenizer(request: pytest.FixtureRequest, course: LLM) -> Any:
    if request.param == "course":
        return course.tokenizer
    return request.getfixturevalue("smollm2_tokenizer")


def learned(row: TrainingExample) -> list[int]:
    return [label for label in row.labels if label != IGNORE_INDEX]


def test_every_training_question_learns_its_target_and_one_end(
    tokenizer: Any,
) -> None:
    questions = load_split("train")
    assert len(questions) == 1000
    for question in questions:
        target = f" <answer>{question.answer:.4g}</answer>"
        row = make_example(tokenizer, question.text, target)
        *text, end = learned(row)
        assert tokenizer.decode(text) == target
        assert end == tokenizer.eos_token_id
        assert row.labels.count(tokenizer.eos_token_id) == 1
        # What is read before the target is what a raw prompt reads.
        alone = tokenizer(question.text, add_special_tokens=False)
        assert (
            row.input_ids[: len(alone["input_ids"])] == alone["input_ids"]
        )
        assert len(row.input_ids) == len(row.labels)


def test_labels_are_the_tokens_they_stand_on(tokenizer: Any) -> None:
    row = make_example(tokenizer, QUESTION, TARGET)
    for token, label in zip(row.input_ids, row.labels, strict=True):
        assert label in (IGNORE_INDEX, token)
    first = row.labels.index(learned(row)[0])
    assert all(label != IGNORE_INDEX for label in row.labels[first:])


def test_without_the_joining_space_no_row_is_mislabelled(
    tokenizer: Any,
) -> None:
    """SmolLM2 merges "?<": such a row is refused, the others are right."""
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
            row = make_example(
                tokenizer, question.text, "<answer>1</answer>"
            )
            text = tokenizer.decode(learned(row)[:-1])
            assert text == "<answer>1</answer>"


def test_smollm2_does_merge_the_seam(smollm2_tokenizer: Any) -> None:
    with pytest.raises(LabelError, match=r"'\?<'"):
        make_example(smollm2_tokenizer, QUESTION, TARGET.strip())


def test_padding_that_is_the_end_token_hides_no_label(
    byte_tokenizer: Any,
) -> None:
    end = byte_tokenizer.eos_token_id
    assert byte_tokenizer.pad_token_id == end
    rows = [
        make_example(byte_tokenizer, QUESTION, TARGET),
        make_example(byte_tokenizer, "6 kg?", " 6000"),
    ]
    batch = collate(rows, pad_token_id=end)
    for row, labels, mask, ids in zip(
        rows,
        batch["labels"],
        batch["attention_mask"],
        batch["input_ids"],
        strict=True,
    ):
        n = len(row.input_ids)
        assert labels.tolist() == row.labels + [IGNORE_INDEX] * (
            len(labels) - n
        )
        assert labels.tolist().count(end) == 1
        assert mask.tolist() == [1] * n + [0] * (len(mask) - n)
        assert ids[:n].tolist() == row.input_ids
        assert set(ids[n:].tolist()) <= {end}
    assert batch["labels"].dtype == torch.int64


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 3),
)
def test_a_batch_holds_its_rows_and_padding_alone(
    sizes: list[tuple[int, int]], pad: int
) -> None:
    rows = [
        TrainingExample([1] * (a + b), [IGNORE_INDEX] * a + [1] * b)
        for a, b in sizes
    ]
    batch = collate(rows, pad)
    assert batch["input_ids"].shape == (
        len(rows),
        max(a + b for a, b in sizes),
    )
    assert int((batch["labels"] != IGNORE_INDEX).sum()) == sum(
        b for _, b in sizes
    )
    assert int(batch["attention_mask"].sum()) == sum(
        a + b for a, b in sizes
    )


@pytest.mark.parametrize(
    ("prompt", "target", "says"),
    [
        ("", TARGET, "needs a prompt"),
        (QUESTION, "", "and a target"),
        (QUESTION, " 1<|im_end|>", "end token"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(
    course: LLM, prompt: str, target: str, says: str
) -> None:
    with pytest.raises(LabelError, match=says):
        make_example(course.tokenizer, prompt, target)


def test_a_row_longer_than_the_context_is_refused(course: LLM) -> None:
    row = make_example(course.tokenizer, QUESTION, TARGET)
    n = len(row.input_ids)
    make_example(course.tokenizer, QUESTION, TARGET, max_length=n)
    with pytest.raises(LabelError, match=f"{n} tokens, more than {n - 1}"):
        make_example(course.tokenizer, QUESTION, TARGET, max_length=n - 1)
