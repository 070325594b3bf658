"""Self-consistency: the answer that most sampled replies agree on.

Wang et al. 2022, arXiv:2203.11171. Agreement within a tolerance is no
equivalence (100 and 100.9 agree, 100.9 and 101.8 too, 100 and 101.8 do
not), so each answer is supported by all that agree with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unitconv.grading.answer import AUDIT_TOLERANCE


@dataclass(frozen=True)
class Vote:
    """The majority's answer; NaN where no reply could be parsed."""

    answer: float
    support: int  # replies that agree with it, its own among them
    voters: int  # replies with an answer

    @property
    def agreement(self) -> float:
        """Share of the voters that agree; NaN without voters."""
        return self.support / self.voters if self.voters else math.nan


def majority(
    answers: Sequence[float], tolerance: float = AUDIT_TOLERANCE
) -> Vote:
    """Return the majority answer: one of `answers`, or NaN without voters.

    A tie goes to the answer that is repeated to the last digit most often,
    and then to the one that was drawn first. Apart from that last rule the
    order of the answers makes no difference.

    Args:
        answers: one per reply; NaN, which `parse_answer` returns where it
            finds none, does not vote.
        tolerance: how far apart two answers that agree may be, as a share
            of the larger; 0 counts equal numbers only.

    >>> majority([6000.0, math.nan, 6.0, 6000.0])
    Vote(answer=6000.0, support=2, voters=3)
    """
    voters = [answer for answer in answers if math.isfinite(answer)]
    if not voters:
        return Vote(math.nan, 0, 0)

    def support(answer: float) -> int:
        return sum(
            math.isclose(answer, other, rel_tol=tolerance)
            for other in voters
        )

    # Of equals `max` keeps the first.
    winner = max(voters, key=lambda a: (support(a), voters.count(a)))
    return Vote(winner, support(winner), len(voters))
