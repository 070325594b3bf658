"""Breakdowns of graded replies: by difficulty, by number of samples."""

from __future__ import annotations

import math
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Sequence,
)
from dataclasses import dataclass
from statistics import mean, stdev

from unitconv.evaluation.grade import Graded
from unitconv.evaluation.reasoning_path import uses_steps
from unitconv.evaluation.stats import Z95, Proportion, pass_at_k
from unitconv.grading.answer import is_correct
from unitconv.grading.self_consistency import majority
from unitconv.task.question_parser import (
    DIFFICULTIES,
    PRODUCTS,
    Conversion,
    parse_question,
)


@dataclass(frozen=True)
class Group:
    """Rates and length of some replies."""

    accuracy: Proportion
    steps: Proportion  #: replies that `uses_steps` accepts
    tokens: float  #: mean length of a reply


def by_difficulty(rows: Iterable[Graded]) -> dict[str, Group]:
    """Group replies by the difficulty of their conversion.

    Groups without a row, and rows whose question does not parse, are left
    out.
    """
    return _grouped(rows, DIFFICULTIES, lambda c: c.difficulty)


def by_product(rows: Iterable[Graded]) -> dict[str, Group]:
    """Group replies by `Conversion.product`, as `by_difficulty` does."""
    return _grouped(rows, PRODUCTS, lambda c: c.product)


def _grouped(
    rows: Iterable[Graded],
    kinds: Sequence[str],
    kind_of: Callable[[Conversion], str],
) -> dict[str, Group]:
    groups: dict[str, list[Graded]] = {kind: [] for kind in kinds}
    for row in rows:
        if conversion := parse_question(row.question):
            groups[kind_of(conversion)].append(row)
    return {kind: summarize(part) for kind, part in groups.items() if part}


def summarize(rows: Collection[Graded]) -> Group:
    """Summarize at least one reply."""
    steps = sum(uses_steps(row.text) for row in rows)
    return Group(
        accuracy=Proportion(sum(row.correct for row in rows), len(rows)),
        steps=Proportion(steps, len(rows)),
        tokens=mean(row.n_tokens for row in rows),
    )


def unit_pair(question: str) -> Hashable:
    """Return the two units of a question, in either order: its cluster.

    Questions about the same units share a fact, and mistakes with it. A
    question that cannot be parsed is a cluster of its own.
    """
    conversion = parse_question(question)
    if conversion is None:
        return question
    return frozenset((conversion.source, conversion.target))


Rates = dict[str, dict[str, float | list[float]]]


def sampling_curves(
    rows: Collection[Sequence[Graded]],
    is_right: Callable[[float, float], bool] = is_correct,
) -> dict[str, Rates]:
    """Compute what k samples of a question are worth, for k = 1, 2, 4, ...

    - `pass_at_k`: one of them is right, which needs the truth;
    - `majority`: the answer that most of them agree on is right;
    - `best_of_n`: the first whose reasoning passes the audit is right, or
      where none does, the first with an answer.

    The last two are averaged over disjoint groups of k samples. Intervals
    are those of a mean over questions.

    Args:
        rows: for each question its samples, as many for all.
        is_right: compares an answer with the truth.

    Returns:
        curve -> k -> `rate` and `ci95`.
    """
    n = len(next(iter(rows)))
    sizes = [2**i for i in range(n.bit_length())]

    def chosen_by(choose: _Chooser, k: int) -> list[float]:
        return [
            mean(
                is_right(choose(row[start : start + k]), row[0].truth)
                for start in range(0, n - k + 1, k)
            )
            for row in rows
        ]

    def passed(k: int) -> list[float]:
        return [
            pass_at_k(n, sum(g.correct for g in row), k) for row in rows
        ]

    return {
        "pass_at_k": {str(k): _rate(passed(k)) for k in sizes},
        "majority": {str(k): _rate(chosen_by(_majority, k)) for k in sizes},
        "best_of_n": {
            str(k): _rate(chosen_by(_first_audited, k)) for k in sizes
        },
    }


_Chooser = Callable[[Sequence[Graded]], float]


def _majority(samples: Sequence[Graded]) -> float:
    return majority([graded.answer for graded in samples]).answer


def _first_audited(samples: Sequence[Graded]) -> float:
    answered = [graded for graded in samples if graded.answered]
    audited = [g for g in answered if g.reasoning_ok is True]
    return next((g.answer for g in audited + answered), math.nan)


def _rate(values: Sequence[float]) -> dict[str, float | list[float]]:
    """Return a mean with its 95 % interval, cut at 0 and 1."""
    rate = mean(values)
    sd = stdev(values) if len(values) > 1 else 0.0
    spread = Z95 * sd / math.sqrt(len(values))
    ends = [max(0.0, rate - spread), min(1.0, rate + spread)]
    return {"rate": rate, "ci95": ends}
