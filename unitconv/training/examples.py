"""SFT and RFT: two kinds of rows for one trainer.

SFT learns `question <answer>6000</answer>`: the format and the number, no
reasoning. RFT learns `question 1 kg = 1000 g. 6 * 1000 = 6000.
<answer>6000</answer>`: a way to the number that the model found itself and
that an audit has passed (Yuan et al. 2023, arXiv:2308.01825).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from unitconv.common.io import write_text
from unitconv.task.dataset import DataError, Question
from unitconv.task.question_parser import Conversion, parse_question
from unitconv.task.units import BY_NAME, exact_factor
from unitconv.training.config import SIGNIFICANT_DIGITS
from unitconv.training.loss_mask import Row, make_row

Triple = tuple[str, float, str]


def write_value(value: float, digits: int = SIGNIFICANT_DIGITS) -> str:
    """A number in plain decimal digits, rounded to `digits` that count.

    >>> write_value(31557600.0), write_value(0.0328084)
    ('31560000', '0.03281')
    """
    if value == 0:
        return "0"
    rounded = Decimal(f"{value:.{digits - 1}e}")
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def sft_rows(
    questions: Sequence[Question],
    tokenizer: Any,
    digits: int = SIGNIFICANT_DIGITS,
    max_length: int | None = None,
) -> list[Row]:
    """One row a question: the answer between its tags, nothing else."""
    return [
        make_row(
            tokenizer,
            question.text,
            f" <answer>{write_value(question.answer, digits)}</answer>",
            max_length,
        )
        for question in questions
    ]


def rft_rows(
    triples: Sequence[Triple], tokenizer: Any, max_length: int | None = None
) -> list[Row]:
    """One row a triple: the reasoning, which ends with its answer."""
    return [
        make_row(tokenizer, question, f" {reasoning}", max_length)
        for question, _, reasoning in triples
    ]


def read_triples(path: str | Path) -> list[Triple]:
    """The triples of a JSON file `[[question, answer, reasoning], ...]`.

    Raises:
        DataError: no such file, not JSON, or an entry that is no triple.
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
        _triple(e, f"{path}: entry {i}") for i, e in enumerate(entries, 1)
    ]


def _triple(entry: object, where: str) -> Triple:
    match entry:
        # To Python, True is the number 1.
        case [str(), bool(), str()]:
            pass
        case [str(question), int() | float() as answer, str(reasoning)]:
            if question.strip() and reasoning.strip():
                return question, float(answer), reasoning
    raise DataError(f"{where}: expected [question, answer, reasoning]")


def reference_triples(questions: Sequence[Question]) -> list[Triple]:
    """Reasoning by pint in the form of the worked example, for `valid`.

    The loss on these is what early stopping watches: what the model makes
    of questions that it does not learn from. Questions that nobody can
    parse are left out.
    """
    triples = []
    for question in questions:
        conversion = parse_question(question.text)
        if conversion is not None:
            triples.append(
                (question.text, question.answer, _reference(conversion))
            )
    return triples


def _reference(conversion: Conversion) -> str:
    a, b = BY_NAME[conversion.source], BY_NAME[conversion.target]
    factor = write_value(float(exact_factor(a, b)))
    quantity = write_value(conversion.quantity)
    result = write_value(float(Decimal(quantity) * Decimal(factor)), 6)
    return (
        f"1 {a.symbol} = {factor} {b.symbol}. "
        f"{quantity} * {factor} = {result}. <answer>{result}</answer>"
    )


def write_triples(triples: Sequence[Triple], path: Path) -> None:
    """One triple a line, whole or not at all."""
    lines = [json.dumps(list(triple)) for triple in triples]
    write_text("[\n" + ",\n".join(lines) + "\n]\n", path)
