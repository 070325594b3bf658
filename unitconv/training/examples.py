"""Training examples: tokens, loss mask, padding, and the triples file.

The model reads a prompt and its target, and learns the target only: the
label of every prompt token is `IGNORE_INDEX`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_text
from unitconv.common.io import write_parts
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.grading.tasks.unit_conversion import (
    write_reasoning as write_reasoning,
)
from unitconv.task.dataset import DEFAULT_TASK, DataError, Question
from unitconv.task.prompts import encode_prompt
from unitconv.training.config import SIGNIFICANT_DIGITS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE_INDEX = -100  #: label that torch's cross-entropy skips

_Text = Annotated[str, Field(pattern=r"\S")]
_Triples = Annotated[
    list[tuple[_Text, FiniteFloat, _Text]], Field(min_length=1)
]


@dataclass(frozen=True)
class _TaskTriples:
    task: str
    triples: _Triples


_TRIPLES: TypeAdapter[list[tuple[str, float, str]]] = TypeAdapter(_Triples)
_TASK_TRIPLES = TypeAdapter(_TaskTriples)


class LabelError(UnitconvError):
    """Raised if a text cannot be labeled token by token."""


@dataclass(frozen=True)
class TrainingExample:
    """Token ids and labels of one example, without padding.

    A label is the token at its own position, or `IGNORE_INDEX`.
    """

    input_ids: list[int]
    labels: list[int]

    @property
    def n_supervised(self) -> int:
        """Number of tokens that enter the loss."""
        return sum(label != IGNORE_INDEX for label in self.labels)


def make_example(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    target: str,
    max_length: int | None = None,
) -> TrainingExample:
    """Tokenize `prompt + target` as one text and label the target.

    One end-of-sequence token is appended, with a label. No token may span
    the boundary, as "?<" would in SmolLM2's vocabulary. Special tokens are
    those of a chat template alone: see `encode_prompt`.

    Raises:
        LabelError: either text is empty, a token spans the boundary, or
            the example is longer than `max_length`.
    """
    if not prompt.strip() or not target.strip():
        raise LabelError("an example needs a prompt and a target")
    prompt_only, joined = (
        encode_prompt(text, tokenizer) for text in (prompt, prompt + target)
    )
    n_prompt, end = len(prompt_only), tokenizer.eos_token_id
    for token, expected in zip(joined, prompt_only, strict=False):
        if token != expected:
            raise LabelError(
                "prompt and target share the token "
                f"{tokenizer.decode([token])!r}: start the target with a "
                "space"
            )
    if max_length is not None and len(joined) >= max_length:
        raise LabelError(
            f"the example has {len(joined) + 1} tokens, more than "
            f"{max_length}: shorten {prompt[:60]!r} or its target"
        )
    input_ids = [*joined, end]
    labels = [IGNORE_INDEX] * n_prompt + input_ids[n_prompt:]
    return TrainingExample(input_ids, labels)


def collate(
    examples: Sequence[TrainingExample], pad_token_id: int
) -> dict[str, Tensor]:
    """Stack examples into one batch, padded on the right.

    Returns:
        `input_ids`, `attention_mask` and `labels`, each int64
        [examples, longest]. Padding has mask 0 and label `IGNORE_INDEX`.
    """

    def stacked(rows: list[list[int]], fill: int) -> Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return pad_sequence(tensors, batch_first=True, padding_value=fill)

    # By position, not where the token equals the padding token: that would
    # also mask the end-of-sequence token if both are the same.
    mask = [[1] * len(example.input_ids) for example in examples]
    return {
        "input_ids": stacked([e.input_ids for e in examples], pad_token_id),
        "attention_mask": stacked(mask, 0),
        "labels": stacked([e.labels for e in examples], IGNORE_INDEX),
    }


@dataclass(frozen=True)
class ReasoningExample:
    """A question, its true answer, and reasoning that leads to it."""

    question: str
    answer: float
    reasoning: str


def write_value(value: float, digits: int = SIGNIFICANT_DIGITS) -> str:
    """Format a number as plain decimal with `digits` significant digits.

    >>> write_value(31557600.0), write_value(0.0328084)
    ('31560000', '0.03281')
    """
    return format(Decimal(f"{value:.{digits}g}"), "f")


def sft_examples(
    questions: Sequence[Question],
    tokenizer: PreTrainedTokenizerBase,
    digits: int = SIGNIFICANT_DIGITS,
    max_length: int | None = None,
    write_prompt: Callable[[str], str] = str,
) -> list[TrainingExample]:
    """Make one example a question: the tagged answer is the target."""
    examples = []
    for question in questions:
        prompt = write_prompt(question.text)
        answer = write_value(question.answer, digits)
        gap = _gap(prompt, question.text)
        target = f"{gap}<answer>{answer}</answer>"
        examples.append(make_example(tokenizer, prompt, target, max_length))
    return examples


def rft_examples(
    triples: Sequence[ReasoningExample],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int | None = None,
    write_prompt: Callable[[str], str] = str,
) -> list[TrainingExample]:
    """Make one example a triple: the reasoning is the target."""
    examples = []
    for triple in triples:
        prompt = write_prompt(triple.question)
        target = _gap(prompt, triple.question) + triple.reasoning
        examples.append(make_example(tokenizer, prompt, target, max_length))
    return examples


def _gap(prompt: str, question: str) -> str:
    """Return the space before a target; a chat prompt may end with one."""
    return "" if prompt != question and prompt[-1:].isspace() else " "


def reference_triples(
    questions: Sequence[Question], task: Task = UNIT_CONVERSION
) -> list[ReasoningExample]:
    """Write reasoning by code for every question that the task can read."""
    return [
        ReasoningExample(question.text, question.answer, reasoning)
        for question in questions
        if (reasoning := task.reasoning(question.text)) is not None
    ]


def read_triples(
    path: str | Path, task: Task = UNIT_CONVERSION
) -> list[ReasoningExample]:
    """Read a JSON file `[[question, answer, reasoning], ...]`.

    The file of another task than unit conversion is an object with this
    list as its `triples`, and the name of the `task`.

    Raises:
        DataError: no such file, not JSON, an entry is not a triple, or the
            triples of another task.
    """
    try:
        text = read_text(Path(path), DataError)
        if text.lstrip().startswith("{"):
            named = _TASK_TRIPLES.validate_json(text, strict=True)
            name, entries = named.task, named.triples
        else:
            name = DEFAULT_TASK
            entries = _TRIPLES.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        numbers = [at for at in first["loc"] if isinstance(at, int)]
        place = f"entry {numbers[0] + 1}: " if numbers else ""
        raise DataError(
            f"{path}: {place}{first['msg']}: expected a list of [question, "
            "answer, reasoning]"
        ) from error
    if name != task.name:
        raise DataError(
            f"{path} holds reasoning for the task {name}, not {task.name}: "
            "give its --task, or another file"
        )
    return [ReasoningExample(*entry) for entry in entries]


def write_triples(
    triples: Iterable[ReasoningExample],
    path: Path,
    task: Task = UNIT_CONVERSION,
) -> int:
    """Write the file that `read_triples` reads, one triple a line.

    Returns:
        the number of triples.
    """
    opening, closing, count = "[\n", "\n]\n", 0
    if task.entry:
        opening = f'{{"task": {json.dumps(task.name)}, "triples": [\n'
        closing = "\n]}\n"

    def lines() -> Iterator[bytes]:
        nonlocal count
        yield opening.encode()
        for triple in triples:
            separator = ",\n" if count else ""
            yield (separator + json.dumps(astuple(triple))).encode()
            count += 1
        yield closing.encode()

    write_parts(lines(), path)
    return count
