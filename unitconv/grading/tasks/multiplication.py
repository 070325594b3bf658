"""Multiplication of whole numbers of several digits, in written steps.

A second task, to show that nothing but the task itself is about units. The
course model has learnt partial products, so it can work them out.
"""

from __future__ import annotations

import math
import random
import re
from decimal import Decimal
from functools import cache, partial
from itertools import combinations_with_replacement, product

from unitconv.grading.answer import answer_unit, parse_answer
from unitconv.grading.audit import Audit
from unitconv.grading.tasks.product_audit import EXACT, audit_product
from unitconv.grading.tasks.protocol import Task
from unitconv.task.arithmetic import multiply_in_steps, write_steps
from unitconv.task.dataset import Question
from unitconv.task.prompts import ChatStyle, WorkedExample
from unitconv.task.question_writer import shuffled

SEED = 1
SIZES = {"train": 1000, "valid": 200, "test": 500}
TEMPLATES = (
    "What is {a} * {b}?",
    "What is {a} times {b}?",
    "Multiply {a} by {b}.",
    "{a} x {b} = ?",
)
# The worked examples, which are in no split.
SHOWN = (58, 74), (93, 46)
INSTRUCTION = (
    "You multiply. Work it out in steps, and close with the number alone "
    "between <answer> and </answer>."
)
DIRECT_INSTRUCTION = (
    "You multiply. Reply with the number alone between <answer> and "
    "</answer>."
)
_NUMBER = re.compile(r"\d+")


def read_factors(question: str) -> tuple[int, int] | None:
    """Read the two numbers that a question multiplies; None if unclear.

    >>> read_factors("What is 47 * 36?")
    (47, 36)
    """
    numbers = _NUMBER.findall(question)
    if len(numbers) != 2 or max(map(len, numbers)) > 6:
        return None
    return int(numbers[0]), int(numbers[1])


@cache
def make_splits(seed: int = SEED) -> dict[str, list[Question]]:
    """Generate the splits; the same seed gives the same questions.

    Half of the products are of two digits by two, half of three by two.
    Each pair of factors is in one split, whatever their order.
    """
    rng = random.Random(seed)
    two = [n for n in range(11, 100) if n % 10]
    three = [n for n in range(101, 1000) if n % 10]
    small = shuffled(combinations_with_replacement(two, 2), rng)
    large = shuffled(product(three, two), rng)
    shown = {frozenset(pair) for pair in SHOWN}
    pools = [
        iter([pair for pair in pool if frozenset(pair) not in shown])
        for pool in (small, large)
    ]
    return {
        split: [
            _write_question(next(pools[n % 2]), rng) for n in range(size)
        ]
        for split, size in SIZES.items()
    }


def _load_split(name: str) -> list[Question]:
    return make_splits()[name]


def _write_question(pair: tuple[int, int], rng: random.Random) -> Question:
    a, b = shuffled(pair, rng)
    [template, *_] = shuffled(TEMPLATES, rng)
    return Question(template.format(a=a, b=b), float(a * b))


def write_reasoning(question: str) -> str | None:
    """Write partial products and their sums; None for another question.

    >>> write_reasoning("What is 47 * 36?")
    '40 * 36 = 1440. 7 * 36 = 252. 1440 + 252 = 1692. <answer>1692</answer>'
    """
    factors = read_factors(question)
    if factors is None or 0 in factors:
        return None
    a, b = factors
    return write_steps(multiply_in_steps(Decimal(a), Decimal(b)))


def write_opening(question: str) -> str:
    """Write the title of the steps, "47 * 36: ", as a begun reply.

    The course model read products under such titles. Left to begin by
    itself it takes the question for one about units.
    """
    factors = read_factors(question)
    return f"{factors[0]} * {factors[1]}: " if factors else ""


def parse(text: str) -> float:
    """Parse a number alone between the tags; NaN for "1692 kg"."""
    return math.nan if answer_unit(text) else parse_answer(text)


def is_right(answer: float, truth: float) -> bool:
    """Return True if every digit is right."""
    return math.isclose(answer, truth, rel_tol=EXACT)


def kind(question: str) -> str:
    """Name the digits of the factors, such as `3 x 2 digits`."""
    factors = read_factors(question)
    if factors is None:
        return "unknown"
    first, second = sorted((len(str(n)) for n in factors), reverse=True)
    return f"{first} x {second} digits"


def audit(text: str, question: str) -> Audit:
    """Check every digit, and that the steps lead from the factors."""
    return audit_product(text, read_factors(question), parse(text))


def _examples(reasoned: bool) -> tuple[WorkedExample, ...]:
    examples = []
    for a, b in SHOWN:
        question = f"What is {a} * {b}?"
        steps = write_reasoning(question)
        reply = steps if reasoned else f"<answer>{a * b}</answer>"
        examples.append(
            WorkedExample(question, f"{write_opening(question)}{reply}")
        )
    return tuple(examples)


CHAT_STYLES: dict[str, ChatStyle] = {
    "chat": ((), INSTRUCTION),
    "direct": (_examples(reasoned=False), DIRECT_INSTRUCTION),
    "cot": (_examples(reasoned=True), INSTRUCTION),
}
MULTIPLICATION = Task(
    name="multiplication",
    splits={name: partial(_load_split, name) for name in SIZES},
    chat_styles=CHAT_STYLES,
    reasoning=write_reasoning,
    opening=write_opening,
    parse=parse,
    is_right=is_right,
    audit=audit,
    family=kind,
    digits=12,
)
