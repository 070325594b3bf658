"""From grades to a report you can believe.

An accuracy without its sample size and interval says little: 60 right of
100 is anything from 50 % to 69 %. Every rate here carries its 95 % Wilson
interval, wrong answers are sorted by what went wrong, and two models are
compared on the same questions with a paired test.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from unitconv.common.errors import UnitconvError
from unitconv.common.run_metadata import run_metadata
from unitconv.evaluation.grade import (
    FAILURES,
    QUANTITY_KINDS,
    Graded,
    grade,
    quantity_kind,
)
from unitconv.evaluation.stats import PairedComparison, Proportion
from unitconv.inference.llm import LLM
from unitconv.inference.reference import BATCH_SIZE, GREEDY, Decoding
from unitconv.task.dataset import Question

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Report:
    """Every graded question of one run, and the rates drawn from them."""

    rows: list[Graded]
    seconds: float
    run: dict[str, Any] = field(default_factory=dict)

    def _rate(self, verdicts: Sequence[bool | None]) -> Proportion:
        known = [v for v in verdicts if v is not None]
        return Proportion(sum(known), len(known))

    @property
    def accuracy(self) -> Proportion:
        """Rows whose answer `is_correct` accepts."""
        return self._rate([row.correct for row in self.rows])

    @property
    def answer_rate(self) -> Proportion:
        """Rows with an answer that can be read, right or wrong."""
        return self._rate([row.answered for row in self.rows])

    @property
    def stop_rate(self) -> Proportion:
        """Rows that came to an end before their token limit."""
        return self._rate([row.finished for row in self.rows])

    @property
    def reasoning_validity(self) -> Proportion:
        """Of the texts that state something checkable, those all true."""
        return self._rate([row.reasoning_ok for row in self.rows])

    @property
    def fact_validity(self) -> Proportion:
        """Of the texts that state a fact, those in which all facts hold."""
        return self._rate([row.facts_ok for row in self.rows])

    @property
    def arithmetic_validity(self) -> Proportion:
        """Of the texts that state a calculation, those all true."""
        return self._rate([row.arithmetic_ok for row in self.rows])

    @property
    def by_family(self) -> dict[str, Proportion]:
        """Accuracy by what is measured, such as `length`."""
        families = sorted({row.family for row in self.rows})
        return {
            family: self._rate(
                [row.correct for row in self.rows if row.family == family]
            )
            for family in families
        }

    @property
    def by_quantity(self) -> dict[str, Proportion]:
        """Accuracy by what has to be multiplied; see `quantity_kind`."""
        kinds = [quantity_kind(row.question) for row in self.rows]
        return {
            kind: self._rate(
                [
                    row.correct
                    for row, k in zip(self.rows, kinds, strict=True)
                    if k == kind
                ]
            )
            for kind in QUANTITY_KINDS
            if kind in kinds
        }

    @property
    def failures(self) -> dict[str, int]:
        """How many rows failed in each way of `FAILURES`."""
        counts = Counter(row.failure for row in self.rows)
        return {name: counts[name] for name in FAILURES}

    @property
    def n_tokens(self) -> int:
        """Generated tokens of all rows; those of prompts do not count."""
        return sum(row.n_tokens for row in self.rows)

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens a second; NaN where no time was taken."""
        return self.n_tokens / self.seconds if self.seconds else math.nan

    def rates(self) -> dict[str, Proportion]:
        """The report's rates by name, in the order they are read."""
        return {
            name: getattr(self, name)
            for name in (
                "accuracy",
                "answer_rate",
                "reasoning_validity",
                "fact_validity",
                "arithmetic_validity",
                "stop_rate",
            )
        }

    def to_json(self, rows: bool = False) -> dict[str, Any]:
        """The report as plain data; NaN, which JSON lacks, as None.

        Args:
            rows: also every graded question, for a later comparison.
        """
        data: dict[str, Any] = {"n": len(self.rows)}
        for name, rate in self.rates().items():
            data[name] = _number(rate.value)
            data[f"{name}_ci95"] = [_number(end) for end in rate.ci95]
            data[f"{name}_n"] = rate.n
        for name in ("by_family", "by_quantity"):
            data[name] = {
                group: {
                    "n": rate.n,
                    "accuracy": rate.value,
                    "accuracy_ci95": list(rate.ci95),
                }
                for group, rate in getattr(self, name).items()
            }
        data["failures"] = self.failures
        data["tokens"] = self.n_tokens
        data["tokens_per_answer"] = _number(
            self.n_tokens / len(self.rows) if self.rows else math.nan
        )
        data["seconds"] = round(self.seconds, 3)
        data["tokens_per_second"] = _number(self.tokens_per_second)
        data["run"] = self.run
        if rows:
            data["rows"] = [
                {k: _number(v) for k, v in asdict(row).items()}
                for row in self.rows
            ]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Report:
        """The report that `to_json(rows=True)` wrote, to compare with.

        Raises:
            UnitconvError: it was written without its rows.
        """
        if "rows" not in data:
            raise UnitconvError("this report was written without its rows")
        rows = []
        for stored in data["rows"]:
            row: dict[str, Any] = dict(stored)
            if row["answer"] is None:
                row["answer"] = math.nan
            rows.append(Graded(**row))
        return cls(rows, data["seconds"], data["run"])

    def table(self) -> pd.DataFrame:
        """One row per rate: value, interval, and of how many."""
        return _rate_table(self.rates())

    def family_table(self) -> pd.DataFrame:
        """Accuracy by unit family."""
        return _rate_table(self.by_family)


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _rate_table(rates: dict[str, Proportion]) -> pd.DataFrame:
    import pandas as pd  # half a second: only who wants a table pays

    return pd.DataFrame(
        [(rate.value, *rate.ci95, rate.n) for rate in rates.values()],
        columns=["value", "low", "high", "n"],
        index=[name.replace("_", " ") for name in rates],
    )


def evaluate(
    llm: LLM,
    questions: Sequence[Question],
    batch_size: int = BATCH_SIZE,
    settings: Decoding = GREEDY,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Ask every question once, and grade what comes back.

    Args:
        batch_size: questions decoded together; in float32 it changes the
            speed, not the texts (see `unitconv.inference.reference`).
        progress: called with the number of questions just finished.

    Raises:
        UnitconvError: no questions.
    """
    samples = evaluate_samples(
        llm, questions, 1, settings, batch_size, progress
    )
    del samples.run["num_return_sequences"]
    return Report(
        [row[0] for row in samples.rows], samples.seconds, samples.run
    )


@dataclass(frozen=True)
class Samples:
    """Several graded completions of each question."""

    rows: list[list[Graded]]
    seconds: float
    run: dict[str, Any] = field(default_factory=dict)

    def rates(self) -> dict[str, Proportion]:
        """The share of questions with a right completion among theirs."""
        return {
            "at least one right": self._share(lambda g: g.correct),
            "at least one right and audited": self._share(
                lambda g: g.correct and bool(g.reasoning_ok)
            ),
        }

    def _share(self, keep: Callable[[Graded], bool]) -> Proportion:
        found = sum(any(keep(g) for g in row) for row in self.rows)
        return Proportion(found, len(self.rows))

    def to_json(self) -> dict[str, Any]:
        """The rates as plain data, and what ran."""
        data: dict[str, Any] = {"n": len(self.rows)}
        for name, rate in self.rates().items():
            key = name.replace(" ", "_")
            data[key] = rate.value
            data[f"{key}_ci95"] = list(rate.ci95)
        every = [graded.correct for row in self.rows for graded in row]
        # Samples of one question are alike: no interval for their share.
        data["right_of_all"] = sum(every) / len(every)
        return data | {"seconds": round(self.seconds, 3), "run": self.run}


def evaluate_samples(
    llm: LLM,
    questions: Sequence[Question],
    num_return_sequences: int,
    settings: Decoding,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
) -> Samples:
    """Ask every question several times: what could rejection keep?

    Raises:
        UnitconvError: no questions.
    """
    if not questions:
        raise UnitconvError("there are no questions to evaluate on")
    prompts = [llm.format_prompt(question.text) for question in questions]
    start = time.perf_counter()
    completions = llm.complete(
        prompts, num_return_sequences, settings, batch_size, progress
    )
    seconds = time.perf_counter() - start
    rows = [
        [grade(question, generation) for generation in row]
        for question, row in zip(questions, completions, strict=True)
    ]
    run = describe_run(llm, settings, batch_size)
    return Samples(
        rows, seconds, run | {"num_return_sequences": num_return_sequences}
    )


def describe_run(
    llm: LLM, settings: Decoding, batch_size: int
) -> dict[str, Any]:
    """What ran, where and when."""
    return {
        "model": llm.name,
        "adapter": llm.adapter,
        "prompt": llm.style,
        "device": str(llm.device),
        "dtype": str(llm.dtype).removeprefix("torch."),
        "decoding": asdict(settings),
        "batch_size": batch_size,
        **run_metadata(),
    }


def compare(a: Report, b: Report) -> PairedComparison:
    """Pair two reports question by question.

    Raises:
        UnitconvError: the reports are not of the same questions.
    """
    asked = [[(row.question, row.truth) for row in r.rows] for r in (a, b)]
    if asked[0] != asked[1] or not asked[0]:
        raise UnitconvError(
            "a paired comparison needs the same questions (at least one) "
            "in the same order"
        )
    pairs = [
        (left.correct, right.correct)
        for left, right in zip(a.rows, b.rows, strict=True)
    ]
    return PairedComparison(
        n=len(pairs),
        only_a=pairs.count((True, False)),
        only_b=pairs.count((False, True)),
    )
