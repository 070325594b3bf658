"""Leaderboard record: the schema of one measured result, by pydantic."""

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
RATES = ("accuracy", "answer_rate", "reasoning_validity")
# A hub id or a chosen name; no path.
MODEL_NAME = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*)?( \([\w .,+-]+\))?")


class RecordError(UnitconvError):
    """A record that cannot be a row; names the file and the field."""


@dataclass(frozen=True)
class Stage:
    """A way to get answers from a model, and the page that explains it."""

    what: str
    page: str  # of the book, without its ending


_PROMPTS, _SFT = "notebooks/07_prompting", "notebooks/08_sft"
_RFT, _SMOLLM2 = "notebooks/09_rft", "notebooks/12_smollm2"
STAGES: dict[str, Stage] = {
    "raw": Stage("the bare question", _PROMPTS),
    "chat": Stage("an instruction, no example", _PROMPTS),
    "direct": Stage("two examples, answers only", _PROMPTS),
    "cot": Stage("one worked example (CoT)", _PROMPTS),
    "cot-4": Stage("four worked examples", _PROMPTS),
    "direct-precise": Stage("two precise answers", _PROMPTS),
    "cot-gallon": Stage("a worked example in gallons", _PROMPTS),
    "cot-us": Stage("CoT, asked for US units", _PROMPTS),
    "sft": Stage("LoRA SFT, answers only", _SFT),
    "sft-matched": Stage("SFT with RFT's rows and settings", _SFT),
    "sft-reasoning": Stage("SFT, reasoning written by code", _SFT),
    "rft-1": Stage("RFT, one round", _RFT),
    "rft-2": Stage("RFT, two rounds", _RFT),
    "rl": Stage("online RL, 40 steps", "notebooks/10_online_rl"),
    "rft-right": Stage("RFT on right answers, unaudited", _RFT),
    "random": Stage("RFT's control: chosen at random", _RFT),
    "distilled": Stage("SFT on the course model's rollouts", _SMOLLM2),
    "rft-base": Stage("RFT on the base's own rollouts", _SMOLLM2),
    "warm": Stage("SFT on 400 rows of reasoning", _SMOLLM2),
    "expert-1": Stage("and RFT from there, one round", _SMOLLM2),
    "expert-2": Stage("and RFT from there, two rounds", _SMOLLM2),
}


def stage_link(name: str) -> str:
    """Link a stage to its chapter, as a page in `book/` does."""
    stage = STAGES.get(name)
    return f"[{name}](../{stage.page}.ipynb)" if stage else name


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
    accuracy_clustered_ci95: Interval | None = None
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
        threads = f"threads: {run.threads}, " if run.threads else ""
        return (
            f"{run.machine}, on {run.device}, "
            f"{threads if run.device == 'cpu' else ''}{run.dtype}; "
            + ", ".join(f"{p} {getattr(run.versions, p)}" for p in PACKAGES)
            + f"; {run.when.date()}"
        )

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        """Check each rate against its interval and number of cases."""
        for name in RATES:
            value: float | None = getattr(self, name)
            n: int = getattr(self, f"{name}_n")
            interval: list[float | None] = getattr(self, f"{name}_ci95")
            if name != "reasoning_validity" and n != self.n:
                raise ValueError(f"{name}_n is {n}, expected {self.n}")
            if value is None and n == 0:
                continue
            rate = self.proportion(name)
            exact = [rate.value, *rate.ci95]
            if not all(
                given is not None and math.isclose(given, x, abs_tol=1e-6)
                for given, x in zip([value, *interval], exact, strict=True)
            ):
                raise ValueError(
                    f"{name} is {json.dumps([value, *interval])}, expected "
                    f"a share of {n} cases and its 95 % Wilson interval"
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
