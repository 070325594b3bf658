"""Reports of graded replies: rates with intervals, failure counts, JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
)
from dataclasses import dataclass, field
from textwrap import indent
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import first_problem
from unitconv.evaluation.breakdown import sampling_curves, unit_pair
from unitconv.evaluation.grade import (
    FAILURES,
    QUANTITY_KINDS,
    Graded,
    quantity_kind,
)
from unitconv.evaluation.stats import (
    PairedComparison,
    Proportion,
    clustered_interval,
)
from unitconv.grading.answer import is_correct

if TYPE_CHECKING:
    import pandas as pd


class EvaluationError(UnitconvError):
    """No questions, or reports that cannot be read or compared."""


@dataclass(frozen=True)
class Report:
    """The graded questions of one run, and the rates drawn from them."""

    rows: Collection[Graded]
    seconds: float
    run: dict[str, Any] = field(default_factory=dict)

    @property
    def accuracy(self) -> Proportion:
        """Rows whose answer `is_correct` accepts."""
        return _share_true(row.correct for row in self.rows)

    @property
    def accuracy_clustered_ci95(self) -> tuple[float, float]:
        """95 % interval of the accuracy, clustered by `unit_pair`."""
        return clustered_interval(
            values=[float(row.correct) for row in self.rows],
            clusters=(unit_pair(row.question) for row in self.rows),
            bounds=(0.0, 1.0),
        )

    @property
    def answer_rate(self) -> Proportion:
        """Rows with an answer that can be parsed, right or wrong."""
        return _share_true(row.answered for row in self.rows)

    @property
    def stop_rate(self) -> Proportion:
        """Rows that ended before their token limit."""
        return _share_true(row.finished for row in self.rows)

    @property
    def reasoning_validity(self) -> Proportion:
        """Rows with valid reasoning, among rows with a checkable claim."""
        return _share_true(row.reasoning_ok for row in self.rows)

    @property
    def by_family(self) -> dict[str, Proportion]:
        """Accuracy by what is measured, such as `length`."""
        return self._accuracy_by(lambda row: row.family)

    @property
    def by_quantity(self) -> dict[str, Proportion]:
        """Accuracy by `quantity_kind`."""
        rates = self._accuracy_by(lambda row: quantity_kind(row.question))
        return {
            kind: rates[kind] for kind in QUANTITY_KINDS if kind in rates
        }

    def _accuracy_by(
        self, key_of: Callable[[Graded], str | None]
    ) -> dict[str, Proportion]:
        counts = Counter((key_of(row), row.correct) for row in self.rows)
        return {
            key: Proportion(
                counts[key, True], counts[key, True] + counts[key, False]
            )
            for key in sorted({key for key, _ in counts if key is not None})
        }

    @property
    def failures(self) -> dict[str, int]:
        """Number of rows in each class of `FAILURES`."""
        counts = Counter(row.failure for row in self.rows)
        return {name: counts[name] for name in FAILURES}

    @property
    def n_tokens(self) -> int:
        """Generated tokens of all rows, prompts not counted."""
        return sum(row.n_tokens for row in self.rows)

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second; NaN where no time was measured."""
        return self.n_tokens / self.seconds if self.seconds else math.nan

    def rates(self) -> dict[str, Proportion]:
        """Map names to rates, in reading order."""
        return {
            "accuracy": self.accuracy,
            "answer_rate": self.answer_rate,
            "reasoning_validity": self.reasoning_validity,
            "fact_validity": _share_true(r.facts_ok for r in self.rows),
            "arithmetic_validity": _share_true(
                r.arithmetic_ok for r in self.rows
            ),
            "stop_rate": self.stop_rate,
        }

    def to_json(self, rows: bool = False) -> dict[str, Any]:
        """Convert to plain data; NaN, which JSON lacks, becomes None.

        Args:
            rows: include every graded question, for a later comparison.
        """
        n = len(self.rows)
        data: dict[str, Any] = {"n": n}
        for name, rate in self.rates().items():
            data[name] = _none_if_nan(rate.value)
            data[f"{name}_ci95"] = [_none_if_nan(end) for end in rate.ci95]
            data[f"{name}_n"] = rate.n
        clustered = map(_none_if_nan, self.accuracy_clustered_ci95)
        data["accuracy_clustered_ci95"] = list(clustered)
        for name in ("by_family", "by_quantity"):
            data[name] = {
                group: {
                    "n": rate.n,
                    "accuracy": rate.value,
                    "accuracy_ci95": list(rate.ci95),
                }
                for group, rate in getattr(self, name).items()
            }
        data |= {
            "failures": self.failures,
            "tokens": self.n_tokens,
            "tokens_per_answer": self.n_tokens / n if n else None,
            "seconds": round(self.seconds, 3),
            "tokens_per_second": _none_if_nan(self.tokens_per_second),
            "run": self.run,
        }
        if rows:
            data["rows"] = [row.to_json() for row in self.rows]
        return data

    def json_parts(self) -> Iterator[bytes]:
        """Write `to_json(rows=True)` as indented JSON, row by row."""
        data = self.to_json() | {"rows": []}
        text = json.dumps(data, indent=2, allow_nan=False)
        yield text.removesuffix("]\n}").encode()
        for number, row in enumerate(self.rows):
            text = json.dumps(row.to_json(), indent=2, allow_nan=False)
            yield b",\n" if number else b"\n"
            yield indent(text, " " * 4).encode()
        yield b"\n  ]\n}\n"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Report:
        """Restore the report that `to_json(rows=True)` wrote.

        Raises:
            EvaluationError: it was written without its rows, or is none.
        """
        if isinstance(data, dict) and "rows" not in data:
            raise EvaluationError(
                "this report was written without its rows: write it with "
                "to_json(rows=True), or `unitconv evaluate --json`"
            )
        try:
            stored = _STORED.validate_python(data)
        except ValidationError as error:
            raise EvaluationError(
                f"no report of an evaluation ({first_problem(error)})"
            ) from error
        return cls(stored.rows, stored.seconds, stored.run)

    def table(self) -> pd.DataFrame:
        """Tabulate the rates: value, interval, and number of cases."""
        import pandas as pd  # half a second

        rates = self.rates()
        return pd.DataFrame(
            [(rate.value, *rate.ci95, rate.n) for rate in rates.values()],
            columns=["value", "low", "high", "n"],
            index=[name.replace("_", " ") for name in rates],
        )


@dataclass(frozen=True)
class _Stored:
    rows: list[Graded]
    seconds: float
    run: dict[str, Any]


_STORED = TypeAdapter(_Stored)


@dataclass(frozen=True)
class Samples:
    """Several graded completions of each question."""

    rows: Collection[list[Graded]]
    seconds: float
    run: dict[str, Any] = field(default_factory=dict)
    is_right: Callable[[float, float], bool] = is_correct  #: of the task

    def rates(self) -> dict[str, Proportion]:
        """Return the shares of questions with a right completion."""
        return {
            "at least one right": _share_true(
                any(graded.correct for graded in row) for row in self.rows
            ),
            "at least one right and audited": _share_true(
                any(g.correct and g.reasoning_ok is True for g in row)
                for row in self.rows
            ),
        }

    def to_json(self) -> dict[str, Any]:
        """Convert the rates and the run to plain data."""
        data: dict[str, Any] = {"n": len(self.rows)}
        for name, rate in self.rates().items():
            key = name.replace(" ", "_")
            data[key] = rate.value
            data[f"{key}_ci95"] = list(rate.ci95)
        correct = (graded.correct for row in self.rows for graded in row)
        # Samples of one question are alike: no interval for their share.
        data["right_of_all"] = _share_true(correct).value
        data |= sampling_curves(self.rows, self.is_right)
        return data | {"seconds": round(self.seconds, 3), "run": self.run}


def compare(a: Report, b: Report) -> PairedComparison:
    """Pair two reports question by question.

    The clustered interval is by `unit_pair`; None for fewer than two.

    Raises:
        EvaluationError: the reports are not of the same questions.
    """
    questions = [
        [(row.question, row.truth) for row in r.rows] for r in (a, b)
    ]
    if questions[0] != questions[1] or not questions[0]:
        raise EvaluationError(
            "a paired comparison needs the same questions (at least one) "
            "in the same order"
        )
    pairs = [
        (left.correct, right.correct)
        for left, right in zip(a.rows, b.rows, strict=True)
    ]
    clustered = clustered_interval(
        values=[float(right - left) for left, right in pairs],
        clusters=[unit_pair(row.question) for row in a.rows],
    )
    return PairedComparison(
        n=len(pairs),
        only_a=pairs.count((True, False)),
        only_b=pairs.count((False, True)),
        clustered_ci95=None if math.isnan(clustered[0]) else clustered,
    )


def _share_true(verdicts: Iterable[bool | None]) -> Proportion:
    """Return the share of True among the verdicts that are not None."""
    counts = Counter(verdicts)
    return Proportion(counts[True], counts[True] + counts[False])


def _none_if_nan(value: float) -> float | None:
    return value if math.isfinite(value) else None
