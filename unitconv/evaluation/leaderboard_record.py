"""Leaderboard record: the schema of one measured result.

pydantic checks a record; what a row rests on must be there and consistent:
a rate with its 95 % interval, the machine, the date, the versions.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from unitconv.common.errors import UnitconvError
from unitconv.common.run_metadata import PACKAGES
from unitconv.evaluation.stats import Proportion

# With fewer questions the interval is so wide that a row says little.
MIN_QUESTIONS = 200
# A hub id or a chosen name; no path.
MODEL_NAME = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*)?( \([\w .,+-]+\))?")


class RecordError(UnitconvError):
    """A record that cannot be a row; names the file and the field."""


@dataclass(frozen=True)
class Stage:
    """A way to get answers from a model, and the page that explains it."""

    what: str
    page: str  # of the book, without its ending


_PROMPTS, _RFT = "notebooks/06_prompting", "notebooks/08_rft"
STAGES: dict[str, Stage] = {
    "raw": Stage("the bare question", _PROMPTS),
    "chat": Stage("an instruction, no example", _PROMPTS),
    "direct": Stage("two examples, answers only", _PROMPTS),
    "cot": Stage("one worked example (CoT)", _PROMPTS),
    "sft": Stage("LoRA SFT, answers only", "notebooks/07_sft"),
    "rft-1": Stage("RFT, one round", _RFT),
    "rft-2": Stage("RFT, two rounds", _RFT),
    "random": Stage("RFT's control: chosen at random", _RFT),
}


def _expect(
    is_valid: Callable[[str], object], expected: str
) -> AfterValidator:
    def check(value: str) -> str:
        if not is_valid(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


Share = Annotated[float, Field(ge=0, le=1)]
Interval = Annotated[list[Share | None], Field(min_length=2, max_length=2)]
Text = Annotated[str, Field(min_length=1, max_length=120)]
ModelName = Annotated[
    str,
    Field(max_length=80),
    _expect(MODEL_NAME.fullmatch, "a hub id or a name, no path"),
]
StageName = Annotated[
    str, _expect(STAGES.__contains__, "one of " + ", ".join(STAGES))
]


class _Schema(BaseModel):
    # Fields that no row needs are kept as they are.
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class GreedyDecoding(_Schema):
    """Decoding settings that give the same texts again."""

    temperature: Annotated[float, Field(ge=0, le=0)]


class Versions(_Schema):
    """Versions of the packages in `PACKAGES`."""

    unitconv: Text
    torch: Text
    transformers: Text


class Run(_Schema):
    """Run metadata that a row rests on."""

    machine: Text
    threads: int | None = None
    device: Text
    dtype: Text
    when: AwareDatetime
    versions: Versions
    decoding: GreedyDecoding


class LeaderboardRecord(_Schema):
    """A row of the table: a report's rates, checked, without its texts."""

    model: ModelName
    stage: StageName
    split: Literal["test", "test_hard"]
    n: Annotated[int, Field(ge=MIN_QUESTIONS)]
    accuracy: Share
    accuracy_n: int
    accuracy_ci95: Interval
    answer_rate: Share
    answer_rate_n: int
    answer_rate_ci95: Interval
    reasoning_validity: Share | None
    reasoning_validity_n: int
    reasoning_validity_ci95: Interval
    seconds: Annotated[float, Field(gt=0)]
    run: Run

    @property
    def key(self) -> tuple[str, str, str]:
        """Model, stage and split, which no two rows share."""
        return self.model, self.stage, self.split

    @property
    def setting(self) -> str:
        """Machine, versions and day of the run, as one line."""
        run = self.run
        parts = [run.machine, f"on {run.device}", run.dtype]
        if run.threads and run.device == "cpu":
            parts.insert(2, f"threads: {run.threads}")
        versions = ", ".join(
            f"{package} {getattr(run.versions, package)}"
            for package in PACKAGES
        )
        return f"{', '.join(parts)}; {versions}; {run.when.date()}"

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        """Check each rate against its interval and number of cases."""
        for name in ("accuracy", "answer_rate", "reasoning_validity"):
            value: float | None = getattr(self, name)
            n: int = getattr(self, f"{name}_n")
            if name != "reasoning_validity" and n != self.n:
                raise ValueError(f"{name}_n is {n}, expected {self.n}")
            if value is None and n == 0:
                continue
            rate = self.proportion(name)
            if value is None or not math.isclose(
                value, rate.value, abs_tol=1e-6
            ):
                raise ValueError(
                    f"{name} is {json.dumps(value)}, expected a whole "
                    f"number of {n} cases"
                )
            interval: list[float | None] = getattr(self, f"{name}_ci95")
            ends = zip(interval, rate.ci95, strict=True)
            if not all(
                end is not None and math.isclose(end, exact, abs_tol=1e-6)
                for end, exact in ends
            ):
                wilson = [round(end, 4) for end in rate.ci95]
                raise ValueError(
                    f"{name}_ci95 is {json.dumps(interval)}, expected the "
                    f"95 % Wilson interval {wilson}"
                )
        return self

    def proportion(self, name: str) -> Proportion:
        """Return a rate with its number of cases, by its field's name."""
        value, n = getattr(self, name), getattr(self, f"{name}_n")
        return Proportion(round((value or 0) * n), n)


def validate(record: dict[str, Any], where: str) -> LeaderboardRecord:
    """Check a record read from JSON.

    Raises:
        RecordError: names `where`, the first bad field, its value and what
            was expected.
    """
    try:
        return LeaderboardRecord.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if field := ".".join(str(part) for part in first["loc"]):
        value = json.dumps(first["input"], default=str)[:80]
        message = f"{field} is {value}: {message}"
        if first["type"] == "missing":
            message = f"{field} is missing"
    raise RecordError(f"{where}: {message}")
