"""Training examples: tokens, loss mask, padding, and the triples file.

An example is a prompt and the target that should follow it. The model
reads both and learns the target only: the label of every prompt token is
`IGNORE_INDEX`. Two mistakes are common here, and neither raises an error.
First, counting the prompt's tokens on its own, although "?" and "<" may
merge into one token when the two texts are joined. Second, masking labels
wherever the token equals the padding token, which also masks the
end-of-sequence token if both are the same, so that the model never learns
to stop. Here both texts are tokenised as one, the boundary is checked,
and labels are masked by position.

SFT learns `question <answer>6000</answer>`: the format and the number,
without reasoning. RFT learns `question 1 kg = 1000 g. 6 * 1000 = 6000.
<answer>6000</answer>`: reasoning that the model sampled itself and that
passed the audit (Yuan et al. 2023, arXiv:2308.01825).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unitconv.common.errors import UnitconvError
from unitconv.common.io import write_text
from unitconv.task.dataset import DataError, Question
from unitconv.training.config import SIGNIFICANT_DIGITS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE_INDEX = -100  #: label that torch's cross-entropy skips


class LabelError(UnitconvError):
    """Raised if a text cannot be labelled token by token."""


# ------------------------------------------------- tokens and loss mask


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
    """Tokenise `prompt + target` as one text and label the target.

    One end-of-sequence token is appended, with a label.

    Raises:
        LabelError: either text is empty, a token spans the boundary, the
            target contains an end-of-sequence token, or the example is
            longer than `max_length`.
    """
    if not prompt or not target:
        raise LabelError("an example needs a prompt and a target")
    encoded = tokenizer(
        prompt + target,
        add_special_tokens=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    token_ids = list(encoded["input_ids"])
    start = _target_start(encoded["offset_mapping"], prompt, target)
    alone = tokenizer(prompt, add_special_tokens=False, verbose=False)
    if token_ids[:start] != list(alone["input_ids"]):
        raise LabelError(
            f"the prompt {prompt!r} has other tokens before {target!r} "
            "than alone, so the model would be asked what it never read"
        )
    end = tokenizer.eos_token_id
    if end in token_ids[start:]:
        raise LabelError(f"the target {target!r} holds the end token")
    if max_length is not None and len(token_ids) >= max_length:
        raise LabelError(
            f"the example has {len(token_ids) + 1} tokens, more than "
            f"{max_length}: shorten {prompt[:60]!r} or its target"
        )
    labels = [IGNORE_INDEX] * start + [*token_ids[start:], end]
    return TrainingExample([*token_ids, end], labels)


def _target_start(
    offsets: Sequence[tuple[int, int]], prompt: str, target: str
) -> int:
    """Find the first token of the target, by character offsets."""
    boundary = len(prompt)
    for index, (start, end) in enumerate(offsets):
        if start < boundary < end:
            merged = (prompt + target)[start:end]
            raise LabelError(
                f"prompt and target share the token {merged!r}: start the "
                "target with a space"
            )
        if start >= boundary:
            return index
    raise LabelError(f"the target {target!r} has no tokens")


def collate(
    examples: Sequence[TrainingExample], pad_token_id: int
) -> dict[str, Tensor]:
    """Stack examples into one batch, padded on the right.

    Returns:
        `input_ids`, `attention_mask` and `labels`, each int64
        [examples, longest]. Padding has mask 0 and label `IGNORE_INDEX`,
        whatever the padding token is.
    """
    longest = max(len(example.input_ids) for example in examples)

    def padded(lists: list[list[int]], fill: int) -> Tensor:
        return torch.tensor(
            [ids + [fill] * (longest - len(ids)) for ids in lists]
        )

    ids = [example.input_ids for example in examples]
    labels = [example.labels for example in examples]
    return {
        "input_ids": padded(ids, pad_token_id),
        "attention_mask": padded([[1] * len(row) for row in ids], 0),
        "labels": padded(labels, IGNORE_INDEX),
    }


# ------------------------------------------------------ SFT and RFT data


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
    if value == 0:
        return "0"
    rounded = Decimal(f"{value:.{digits - 1}e}")
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def sft_examples(
    questions: Sequence[Question],
    tokenizer: PreTrainedTokenizerBase,
    digits: int = SIGNIFICANT_DIGITS,
    max_length: int | None = None,
) -> list[TrainingExample]:
    """Make one example a question: the tagged answer is the target."""
    targets = [
        f" <answer>{write_value(question.answer, digits)}</answer>"
        for question in questions
    ]
    return [
        make_example(tokenizer, question.text, target, max_length)
        for question, target in zip(questions, targets, strict=True)
    ]


def rft_examples(
    triples: Sequence[ReasoningExample],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int | None = None,
) -> list[TrainingExample]:
    """Make one example a triple: the reasoning is the target."""
    return [
        make_example(tokenizer, t.question, f" {t.reasoning}", max_length)
        for t in triples
    ]


def read_triples(path: str | Path) -> list[ReasoningExample]:
    """Read a JSON file `[[question, answer, reasoning], ...]`.

    Raises:
        DataError: no such file, not JSON, or an entry is not a triple.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: line {error.lineno}, column {error.colno}: this is "
            f"not JSON ({error.msg})"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: expected a list with at least one entry")
    return [
        _parse_triple(entry, f"{path}: entry {number}")
        for number, entry in enumerate(entries, start=1)
    ]


def _parse_triple(entry: object, place: str) -> ReasoningExample:
    match entry:
        # To Python, True is the number 1.
        case [str(), bool(), str()]:
            pass
        case [str(question), int() | float() as answer, str(reasoning)]:
            if question.strip() and reasoning.strip():
                return ReasoningExample(question, float(answer), reasoning)
    raise DataError(f"{place}: expected [question, answer, reasoning]")


def write_triples(triples: Sequence[ReasoningExample], path: Path) -> None:
    """Write the file that `read_triples` reads, one triple a line."""
    lines = [json.dumps(astuple(triple)) for triple in triples]
    write_text("[\n" + ",\n".join(lines) + "\n]\n", path)
