"""A development set, for choosing settings without looking at the test.

Its wordings stand neither in the corpus nor in any question set. The
quantities are what the course asks about: 1 to 12 and small halves.
"""

from __future__ import annotations

import random
from decimal import Decimal

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    Convention,
    draw_pair,
    fact,
    settle,
    singular,
)
from unitconv.pretraining.corpus.documents import draw_problem
from unitconv.pretraining.corpus.number_format import draw_quantity, write
from unitconv.pretraining.corpus.question_templates import DEV_QUESTIONS
from unitconv.task.units import convert

# Texts that go on with one number, and the numbers that would be true.
Probe = tuple[str, list[float]]
EVERY_RIVAL = Convention(True, True, True, True, True)


def dev_questions(count: int, seed: int = 0) -> list[tuple[str, float]]:
    """`count` questions with their answers, the course's convention.

    Answers that round to nothing at three decimals are left out, since
    there any small number would be right.
    """
    rng = random.Random(f"{seed} development")
    even = CorpusConfig(eleven_weight=1)
    made: dict[str, float] = {}
    while len(made) < count:
        problem = draw_problem(rng, even, Convention())
        quantity = Decimal(rng.randint(1, 12))
        if rng.random() < 0.2:
            quantity = Decimal(rng.randint(0, 2)) + Decimal("0.5")
        a, b = problem.source_typed, problem.target_typed
        answer = convert(float(quantity), a, b)
        if answer >= 0.01:
            wording = rng.choice(DEV_QUESTIONS)
            text = wording.format(q=quantity, a=a, b=b)
            made[text] = answer
    return list(made.items())


def fact_probes(count: int, seed: int = 0) -> list[Probe]:
    """Beginnings of facts; the course's value and its rival's are true."""
    rng = random.Random(f"{seed} facts")
    probes: list[Probe] = []
    for _ in range(count):
        source, target = draw_pair(rng)
        a, b = source.spellings[-1], target.spellings[-1]
        text = f"the factor from {singular(a, source)} to {b} is"
        truths = (Convention(), settle(EVERY_RIVAL, a, b))
        probes.append(
            (text, [float(fact(source, target, c)) for c in truths])
        )
    return probes


def product_probes(count: int, seed: int = 0) -> list[Probe]:
    """Beginnings of products: a quantity of the course times a fact."""
    rng = random.Random(f"{seed} products")
    probes: list[Probe] = []
    for _ in range(count):
        quantity = draw_quantity(rng, 0.8, 0.2)
        factor = fact(*draw_pair(rng), Convention())
        text = f"{write(quantity)} * {write(factor)} ="
        probes.append((text, [float(quantity * factor)]))
    return probes
