"""The majority vote, against brute force and by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unitconv.grading.self_consistency import Vote, majority

NAN = math.nan
# Few values, so that they meet, tie and lie near one another.
near = st.sampled_from([0.0, -5.0, 1.0, 100.0, 100.9, 101.8, 102.7, 6000.0])
answers = st.lists(near | st.just(NAN), max_size=12)


def brute_force(votes: list[float], tolerance: float) -> dict[float, int]:
    """Every answer's support, written the long way."""
    support: dict[float, int] = {}
    for answer in votes:
        support[answer] = 0
        for other in votes:
            gap = abs(answer - other)
            if gap <= tolerance * max(abs(answer), abs(other)):
                support[answer] += 1
    return support


@given(answers, st.sampled_from([0.0, 0.01, 0.05]))
def test_the_winner_has_the_most_support(
    drawn: list[float], tolerance: float
) -> None:
    voters = [a for a in drawn if not math.isnan(a)]
    assume(voters)
    vote = majority([NAN, *drawn, NAN], tolerance)
    support = brute_force(voters, tolerance)
    assert vote.support == support[vote.answer] == max(support.values())
    assert vote.voters == len(voters)
    assert vote.agreement == vote.support / len(voters)


@given(answers)
def test_tolerance_0_counts_equal_numbers(drawn: list[float]) -> None:
    """At tolerance 0 it is `Counter.most_common`, its ties included."""
    voters = [a for a in drawn if not math.isnan(a)]
    assume(voters)
    [(answer, times)] = Counter(voters).most_common(1)
    assert majority(drawn, 0.0) == Vote(answer, times, len(voters))


@pytest.mark.parametrize("drawn", [[], [NAN], [NAN, math.inf, -math.inf]])
def test_no_answers_give_nan(drawn: list[float]) -> None:
    vote = majority(drawn)
    assert math.isnan(vote.answer)
    assert math.isnan(vote.agreement)
    assert (vote.support, vote.voters) == (0, 0)


@pytest.mark.parametrize(
    ("drawn", "answer", "support"),
    [
        ([1.0, 2.0], 1.0, 1),  # a full tie: drawn first
        ([2.0, 1.0], 2.0, 1),
        ([1.0, 2.0, 2.0], 2.0, 2),
        ([1.572, 1.571, 9.0, 9.0, 1.571], 1.571, 3),  # rounded twice
        ([100.0, 101.8, 100.9], 100.9, 3),  # agrees with both ends
        ([-3.0, 3.0, 3.0], 3.0, 2),  # a sign is no rounding
        ([0.0, 0.0, 1e-9], 0.0, 2),
    ],
)
def test_votes_by_hand(
    drawn: list[float], answer: float, support: int
) -> None:
    vote = majority(drawn)
    assert (vote.answer, vote.support) == (answer, support)
