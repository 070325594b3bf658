"""A development set, for choosing settings without looking at the test.

Its wordings stand neither in the corpus nor in any question set. The
quantities are what the course asks about: 1 to 12 and small halves.
"""

from __future__ import annotations

import random
from decimal import Decimal

from unitconv.units import convert

from .config import CorpusConfig
from .conventions import Convention
from .documents import draw_problem
from .wording import DEV_QUESTIONS


def dev_questions(count: int, seed: int = 0) -> list[tuple[str, float]]:
    """`count` questions with their answers, the course's convention.

    Answers that round to nothing at three decimals are left out, since
    there any small number would be right.
    """
    rng = random.Random(f"{seed} development")
    made: dict[str, float] = {}
    while len(made) < count:
        problem = draw_problem(rng, CorpusConfig(), Convention())
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
