"""From one completion to its grade: parsed, compared, audited.

A wrong answer is sorted by what went wrong, the most specific reason
first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from unitconv.answers import audit_reasoning, is_correct, parse_answer
from unitconv.conversions import Conversion, parse_question
from unitconv.llm import Generation
from unitconv.questions import Question

FAILURES = (
    "no answer",
    "wrong direction",
    "wrong fact",
    "wrong arithmetic",
    "other",
)


@dataclass(frozen=True)
class Graded:
    """One question, what the model wrote, and what came of it.

    `arithmetic_ok` and `facts_ok` are None where the text states nothing
    of the kind that can be checked; `failure` is None where the answer is
    right.
    """

    question: str
    truth: float
    text: str
    answer: float
    correct: bool
    facts_ok: bool | None
    arithmetic_ok: bool | None
    finished: bool
    n_tokens: int
    family: str
    failure: str | None

    @property
    def answered(self) -> bool:
        return not math.isnan(self.answer)

    @property
    def reasoning_ok(self) -> bool | None:
        """Is everything stated true? None where nothing is stated."""
        parts = (self.facts_ok, self.arithmetic_ok)
        if parts == (None, None):
            return None
        return False not in parts


def grade(question: Question, generation: Generation) -> Graded:
    """Parse, grade and audit one completion."""
    text = generation.text
    answer = parse_answer(text)
    claims = audit_reasoning(text)
    ok = {
        kind: _all_true([c.verdict for c in claims if c.kind == kind])
        for kind in ("fact", "arithmetic")
    }
    conversion = parse_question(question.text)
    correct = is_correct(answer, question.answer)
    failure = None
    if not correct:
        failure = _failure(answer, conversion, ok["fact"], ok["arithmetic"])
    return Graded(
        question=question.text,
        truth=question.answer,
        text=text,
        answer=answer,
        correct=correct,
        facts_ok=ok["fact"],
        arithmetic_ok=ok["arithmetic"],
        finished=generation.finished,
        n_tokens=generation.n_tokens,
        family=conversion.family if conversion else "unknown",
        failure=failure,
    )


def _all_true(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return True if True in verdicts else None


def _failure(
    answer: float,
    conversion: Conversion | None,
    facts_ok: bool | None,
    arithmetic_ok: bool | None,
) -> str:
    """What went wrong, the most specific reason first."""
    if math.isnan(answer):
        return "no answer"
    if conversion and _is_inverse(answer, conversion):
        return "wrong direction"
    if facts_ok is False:
        return "wrong fact"
    if arithmetic_ok is False:
        return "wrong arithmetic"
    return "other"


def _is_inverse(answer: float, conversion: Conversion) -> bool:
    """Was the quantity divided by the factor instead of multiplied?"""
    if conversion.answer == 0:
        return False
    inverse = conversion.quantity**2 / conversion.answer
    return round(inverse, 3) != 0 and is_correct(answer, inverse)


QUANTITY_KINDS = ("1 to 12", "13 to 99", "100 and more", "fractions")


def quantity_kind(question: str) -> str | None:
    """How hard a question's quantity is to multiply by, or None.

    One of `QUANTITY_KINDS`; None where no conversion can be read.
    """
    conversion = parse_question(question)
    if conversion is None:
        return None
    quantity = conversion.quantity
    if not quantity.is_integer():
        return "fractions"
    sizes = zip((12, 99, math.inf), QUANTITY_KINDS, strict=False)
    return next(kind for largest, kind in sizes if quantity <= largest)
