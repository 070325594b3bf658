"""Development set for choosing settings without looking at the test set.

Its question templates occur neither in the corpus nor in any question set.
The quantities are those of the course: 1 to 12 and small halves; or those
of its hard questions.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    ALL_ALTERNATIVES,
    Convention,
    draw_pair,
    fact,
    restrict,
    singular,
)
from unitconv.pretraining.corpus.documents import draw_problem
from unitconv.pretraining.corpus.number_format import draw_quantity, write
from unitconv.pretraining.corpus.question_templates import DEV_QUESTIONS
from unitconv.task.arithmetic import multiply_in_steps, needs_steps
from unitconv.task.make_splits import (
    HARD_QUANTITIES,
    LARGEST_ANSWER,
    SMALLEST_ANSWER,
)
from unitconv.task.units import convert


@dataclass(frozen=True)
class Probe:
    """A text to complete with one number, and the numbers that are true."""

    text: str
    answers: tuple[float, ...]


def dev_questions(
    count: int, seed: int = 0, hard: bool = False
) -> list[tuple[str, float]]:
    """Generate questions with their answers, in the course's convention.

    Answers that round to zero at three decimals are left out, since any
    small number would be right there. Hard questions have the quantities
    of `test_hard`: two and three digits, and decimals.
    """
    rng = random.Random(f"{seed} development{' hard' * hard}")
    config = CorpusConfig()
    questions: dict[str, float] = {}
    while len(questions) < count:
        problem = draw_problem(rng, config, Convention())
        if hard:
            kind = rng.choice(HARD_QUANTITIES)
            quantity = Decimal(str(rng.choice(kind))).normalize()
        elif rng.random() < 0.2:
            quantity = Decimal(rng.randint(0, 2)) + Decimal("0.5")
        else:
            quantity = Decimal(rng.randint(1, 12))
        a, b = problem.source_typed, problem.target_typed
        answer = convert(float(quantity), a, b)
        if SMALLEST_ANSWER <= answer <= LARGEST_ANSWER:
            template = rng.choice(DEV_QUESTIONS)
            questions[template.format(q=write(quantity), a=a, b=b)] = answer
    return list(questions.items())


def fact_probes(count: int, seed: int = 0) -> list[Probe]:
    """Generate beginnings of facts, true in the course's convention.

    The value under all alternative definitions is accepted as well.
    """
    rng = random.Random(f"{seed} facts")
    probes: list[Probe] = []
    for _ in range(count):
        source, target = draw_pair(rng)
        a, b = source.spellings[-1], target.spellings[-1]
        text = f"the factor from {singular(a, source)} to {b} is"
        conventions = (Convention(), restrict(ALL_ALTERNATIVES, a, b))
        answers = [float(fact(source, target, c)) for c in conventions]
        probes.append(Probe(text, tuple(answers)))
    return probes


def product_probes(count: int, seed: int = 0) -> list[Probe]:
    """Generate beginnings of products: a quantity times a fact."""
    rng = random.Random(f"{seed} products")
    config = CorpusConfig(small_share=0.8, half_share=0.2)
    probes: list[Probe] = []
    for _ in range(count):
        quantity = draw_quantity(rng, config)
        source, target = draw_pair(rng)
        factor = fact(source, target, Convention())
        text = f"{write(quantity)} * {write(factor)} ="
        probes.append(Probe(text, (float(quantity * factor),)))
    return probes


def sum_probes(count: int, seed: int = 0) -> list[Probe]:
    """Generate beginnings of sums: those of products in two steps."""
    rng = random.Random(f"{seed} sums")
    probes: list[Probe] = []
    while len(probes) < count:
        source, target = draw_pair(rng)
        factor = fact(source, target, Convention())
        quantity = Decimal(rng.randint(11, 99))
        if needs_steps(quantity, factor) and quantity % 10:
            *_, (expression, total) = multiply_in_steps(quantity, factor)
            probes.append(Probe(f"{expression} =", (float(total),)))
    return probes
