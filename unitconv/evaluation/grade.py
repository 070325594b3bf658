"""Grading of one completion: parsed, compared, audited, classified.

Classes of failure are symptoms: a slip of the decimal point between
millimeters and meters looks like an answer in centimeters.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator

from unitconv.grading.answer import AUDIT_TOLERANCE, is_correct
from unitconv.grading.audit import names_other_unit
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.llm import Generation
from unitconv.task.dataset import Question
from unitconv.task.question_parser import Conversion, parse_question
from unitconv.task.units import (
    BY_NAME,
    UNITS,
    alternative_definitions,
    exact_factor,
)

#: Classes of wrong answers, the most specific first.
FAILURES = (
    # No number in a complete answer tag.
    "no answer",
    # Divided by the factor instead of multiplied by it.
    "wrong direction",
    # Right for a unit of the same name: the UK gallon, the short ton. It
    # comes before the audit, which calls "1 gallon = 4.546 l" false.
    "namesake",
    # The audit found a false fact ...
    "wrong fact",
    # ... or a false product.
    "wrong arithmetic",
    # Right for another unit of the family, as the source or as the target,
    # or said to be in another unit: "6000 kg".
    # It comes after the audit: "1 m = 100 mm" explains the number, that it
    # fits centimeters does not.
    "another unit",
    "other",
)


def _nan_if_none(value: Any) -> Any:
    return math.nan if value is None else value


@dataclass(frozen=True)
class Graded:
    """A question, the model's reply, and its grade."""

    question: str
    truth: float
    text: str
    answer: Annotated[float, BeforeValidator(_nan_if_none)]
    correct: bool
    facts_ok: bool | None  # None: the text states none to be checked
    arithmetic_ok: bool | None
    #: One of `FAULTS` of the audit; None for valid reasoning.
    fault: str | None
    finished: bool
    n_tokens: int
    family: str
    failure: str | None  # one of `FAILURES`, None for a right answer

    @property
    def answered(self) -> bool:
        """True if an answer could be parsed."""
        return not math.isnan(self.answer)

    @property
    def reasoning_ok(self) -> bool | None:
        """True if the reasoning is valid; None if there is none."""
        return None if self.fault == "no reasoning" else self.fault is None

    def to_json(self) -> dict[str, Any]:
        """Convert to plain data; NaN, which JSON lacks, becomes None."""
        answer = self.answer if math.isfinite(self.answer) else None
        return asdict(self) | {"answer": answer}


def grade(
    question: Question,
    generation: Generation,
    task: Task = UNIT_CONVERSION,
) -> Graded:
    """Parse, grade and audit one completion."""
    text = generation.text
    answer = task.parse(text)
    audit = task.audit(text, question.text)
    ok = {
        kind: _all_true([c.verdict for c in audit.claims if c.kind == kind])
        for kind in ("fact", "arithmetic")
    }
    conversion = task.conversion(question.text)
    other_unit = bool(conversion and names_other_unit(text, conversion))
    correct = task.is_right(answer, question.answer) and not other_unit
    failure = None
    if other_unit:
        failure = "another unit"
    elif not correct:
        failure = _failure(answer, conversion, ok["fact"], ok["arithmetic"])
    return Graded(
        question=question.text,
        truth=question.answer,
        text=text,
        answer=answer,
        correct=correct,
        facts_ok=ok["fact"],
        arithmetic_ok=ok["arithmetic"],
        fault=audit.fault,
        finished=generation.finished,
        n_tokens=generation.n_tokens,
        family=task.family(question.text),
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
    """Return the first of `FAILURES` that fits a wrong answer."""
    fits = {
        "no answer": math.isnan(answer),
        "wrong fact": facts_ok is False,
        "wrong arithmetic": arithmetic_ok is False,
        "other": True,
    }
    if conversion:
        # The answer must agree within the audit's tolerance: at the
        # grader's 5 % a bad product of liters and quarts, nearly equal,
        # would look like a division.
        for name, values in _mistakes(conversion).items():
            fits[name] = any(
                math.isclose(answer, value, rel_tol=AUDIT_TOLERANCE)
                and not is_correct(value, conversion.answer)
                for value in values
            )
    return next(name for name in FAILURES if fits.get(name))


def _mistakes(conversion: Conversion) -> dict[str, list[float]]:
    """Return the numbers that known mistakes give, by failure class."""
    quantity, truth = conversion.quantity, conversion.answer
    a, b = BY_NAME[conversion.source], BY_NAME[conversion.target]
    # A reply that repeats the quantity has converted nothing, so source and
    # target never replace each other.
    others = [u for u in UNITS if u.family == a.family and u not in (a, b)]
    other_units = [(a, u) for u in others] + [(u, b) for u in others]
    other_definitions = product(
        [a, *alternative_definitions(a)], [b, *alternative_definitions(b)]
    )
    return {
        "wrong direction": [quantity**2 / truth] if truth else [],
        "namesake": [
            quantity * float(exact_factor(*p)) for p in other_definitions
        ],
        "another unit": [
            quantity * float(exact_factor(*p)) for p in other_units
        ],
    }


#: Quantities by how hard they are to multiply by.
QUANTITY_KINDS = ("1 to 12", "13 to 99", "100 and more", "fractions")


def quantity_kind(question: str) -> str | None:
    """Classify a question's quantity by multiplication difficulty.

    Returns:
        one of `QUANTITY_KINDS`; None where no conversion can be parsed.
    """
    conversion = parse_question(question)
    if conversion is None:
        return None
    quantity = conversion.quantity
    if not quantity.is_integer():
        return "fractions"
    sizes = zip((12, 99, math.inf), QUANTITY_KINDS, strict=False)
    return next(kind for largest, kind in sizes if quantity <= largest)
