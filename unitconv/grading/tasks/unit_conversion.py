"""Unit conversion, the task of the course."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from unitconv.grading.tasks.protocol import Task
from unitconv.task.arithmetic import (
    as_decimal,
    multiply_in_steps,
    needs_steps,
    round_fact,
    round_result,
    write,
    write_steps,
)
from unitconv.task.dataset import DEFAULT_TASK, SPLITS, load_split
from unitconv.task.prompts import CHAT_STYLES
from unitconv.task.question_parser import Conversion, parse_question
from unitconv.task.units import BY_NAME, exact_factor


def write_reasoning(conversion: Conversion) -> str:
    """Write correct reasoning with pint's factor, as the prompt shows it.

    The factor is rounded like a fact of the corpus. A product of numbers
    of several digits is worked out in partial products.

    >>> write_reasoning(Conversion(25, "inch", "centimeter"))
    '1 in = 2.54 cm. 20 * 2.54 = 50.8. 5 * 2.54 = 12.7. 50.8 + 12.7 = 63.5.\
 <answer>63.5</answer>'
    """
    a, b = BY_NAME[conversion.source], BY_NAME[conversion.target]
    factor = round_fact(as_decimal(exact_factor(a, b)))
    quantity = Decimal(repr(conversion.quantity))
    product = round_result(quantity * factor)
    equations = [(f"{write(quantity)} * {write(factor)}", product)]
    if needs_steps(quantity, factor):
        equations = multiply_in_steps(quantity, factor)
    fact = f"1 {a.symbol} = {write(factor)} {b.symbol}. "
    return fact + write_steps(equations)


def _reasoning(question: str) -> str | None:
    conversion = parse_question(question)
    return None if conversion is None else write_reasoning(conversion)


def _family(question: str) -> str:
    conversion = parse_question(question)
    return conversion.family if conversion else "unknown"


UNIT_CONVERSION = Task(
    name=DEFAULT_TASK,
    splits={name: partial(load_split, name) for name in SPLITS},
    chat_styles=CHAT_STYLES,
    reasoning=_reasoning,
    family=_family,
    conversion=parse_question,
)
