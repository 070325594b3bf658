"""Measured results: what a row of the book's table is, and may become one.

A row is one model, at one stage, on one of the test splits. The course's
own rows are read from the records its commands left in the package; those
of readers are files in `results/added`, one a row, which the command
`unitconv results add` makes of a report. What nobody has run has no record
and no row.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from unitconv.common.errors import UnitconvError
from unitconv.common.io import write_json
from unitconv.common.run_metadata import PACKAGES
from unitconv.evaluation.stats import Proportion
from unitconv.task.dataset import load_split

PACKAGE = Path(__file__).parents[1]
ADDED = PACKAGE / "evaluation" / "results" / "added"
TEST_SPLITS = ("test", "test_hard")
# Below this an interval is so wide that a row would say little.
LEAST = 200
RATES = ("accuracy", "answer_rate", "reasoning_validity")
# A hub id, or a name that somebody chose; no path.
MODEL_NAME = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*)?( \([\w .,+-]+\))?")


class RecordError(UnitconvError):
    """A record that cannot be a row; names the file and the key."""


@dataclass(frozen=True)
class Stage:
    """One way to get answers from a model, and where it is explained."""

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


@dataclass(frozen=True)
class Setting:
    """Where and with what it ran; None where an old record is silent."""

    machine: str | None
    threads: int | None
    device: str | None
    dtype: str | None
    day: str | None
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    model: str
    stage: str
    split: str
    accuracy: Proportion
    answered: Proportion
    valid: Proportion  # of the replies that state something checkable
    seconds: float
    setting: Setting

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two rows of the table have in common."""
        return self.model, self.stage, self.split


# -------------------------------------------------------------- reading


def all_rows(folder: Path = ADDED) -> list[Row]:
    """Every row there is: the course's model first, stage by stage.

    Raises:
        RecordError: a record that cannot be read.
    """
    found = {row.key: row for row in course_rows()}
    for path in sorted(folder.glob("*.json")):
        row = read_added(path)
        if row.key in found:
            raise RecordError(f"{path}: there is a row {_told(row.key)}")
        found[row.key] = row
    order = list(STAGES)
    return sorted(
        found.values(),
        key=lambda row: (
            row.model != "course",
            row.model,
            TEST_SPLITS.index(row.split),
            order.index(row.stage),
        ),
    )


def course_rows(package: Path = PACKAGE) -> Iterator[Row]:
    """Prompts of the bare model, then the adapters of the first seed."""
    path = package / "inference" / "course_model" / "results.json"
    for split, reports in _read_json(path).items():
        for stage, report in reports.items():
            if stage in STAGES and split in TEST_SPLITS:
                yield read_row(report, "course", stage, split, str(path))
    path = package / "evaluation" / "results" / "stages.json"
    first = next(iter(_read_json(path)["seeds"].values()))
    for split, reports in first["rates"].items():
        for stage, report in reports.items():
            yield read_row(report, "course", stage, split, str(path))


def read_added(path: Path) -> Row:
    """A reader's record, checked.

    Raises:
        RecordError: as `check`.
    """
    record = _read_json(path)
    check(record, str(path))
    names = record["model"], record["stage"], record["split"]
    return read_row(record, *names, str(path))


def read_row(
    report: dict[str, Any], model: str, stage: str, split: str, where: str
) -> Row:
    """A report as a row.

    Raises:
        RecordError: a rate or its interval is missing or wrong.
    """
    run = report.get("run", {})
    used = run.get("versions", {})
    setting = Setting(
        machine=run.get("machine"),
        threads=run.get("threads"),
        device=run.get("device"),
        dtype=run.get("dtype"),
        day=run.get("when", "")[:10] or None,
        versions=tuple((p, used[p]) for p in PACKAGES if p in used),
    )
    right, answered, valid = (
        read_rate(report, key, where) for key in RATES
    )
    seconds = _get(report, "seconds", where)
    return Row(
        *(model, stage, split, right, answered, valid, seconds, setting)
    )


def read_rate(report: dict[str, Any], key: str, where: str) -> Proportion:
    """A rate, held against the interval that stands beside it.

    Raises:
        RecordError: one of them is missing, or they do not fit.
    """
    value, n = _get(report, key, where), _get(report, f"{key}_n", where)
    interval = _get(report, f"{key}_ci95", where)
    if n == 0 and value is None:
        return Proportion(0, 0)
    _expect(_is_count(n), f"{key}_n", "a whole number", n, where)
    _expect(_is_share(value), key, "a share, 0 to 1", value, where)
    rate = Proportion(round(value * n), n)
    fits = math.isclose(rate.value, value, abs_tol=1e-6)
    _expect(fits, key, f"a whole number of {n} cases", value, where)
    expected = rate.ci95
    fits = isinstance(interval, list) and len(interval) == 2
    fits = fits and all(
        _is_share(end) and math.isclose(end, wanted, abs_tol=1e-6)
        for end, wanted in zip(interval, expected, strict=True)
    )
    wilson = f"the 95 % Wilson interval {[round(x, 4) for x in expected]}"
    _expect(fits, f"{key}_ci95", wilson, interval, where)
    return rate


# ------------------------------------------------------------- checking


def check(record: dict[str, Any], where: str) -> None:
    """Refuse a record that lacks what a row rests on.

    Raises:
        RecordError: names the key, what it should hold and what it holds.
    """

    def expect(key: str, good: Any, what: str) -> None:
        value = _get(record, key, where)
        _expect(good(value), key, what, value, where)

    expect("model", _is_name, "a hub id or a name, no path")
    expect("stage", STAGES.__contains__, "one of " + ", ".join(STAGES))
    splits = " or ".join(TEST_SPLITS)
    expect("split", TEST_SPLITS.__contains__, splits)
    expect("n", lambda n: _is_count(n) and n >= LEAST, f"at least {LEAST}")
    expect("seconds", _is_time, "a time above 0")
    for key in ("run.machine", "run.device", "run.dtype"):
        expect(key, _is_text, "a text")
    expect("run.when", _is_moment, "a moment, 2026-01-31T12:00:00+00:00")
    for package in PACKAGES:
        expect(f"run.versions.{package}", _is_text, "a version")
    expect("run.decoding.temperature", lambda t: t == 0, "0, for greedy")
    for key in RATES:
        read_rate(record, key, where)
    for key in RATES[:2]:  # of all questions; the third of some replies
        expect(f"{key}_n", lambda n: n == record["n"], "as large as n")


def _get(record: dict[str, Any], key: str, where: str) -> Any:
    """`record["a"]["b"]` for "a.b"."""
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise RecordError(f"{where}: {key} is missing")
        value = value[part]
    return value


def _expect(
    good: bool, key: str, what: str, value: Any, where: str
) -> None:
    if not good:
        shown = json.dumps(value)[:80]
        raise RecordError(f"{where}: {key} is {shown}, expected {what}")


def _is_name(value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= 80
        and MODEL_NAME.fullmatch(value) is not None
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 120


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise RecordError(f"{path}: expected a JSON object")
    return found


# --------------------------------------------------------------- adding


def make_record(
    path: Path, stage: str | None = None, model: str | None = None
) -> dict[str, Any]:
    """A row's record, from a report of `unitconv evaluate --json`.

    The report's rows have to be the course's own questions; then they are
    left out. So are paths: an adapter keeps the last part of its name.

    Args:
        stage: by default the prompt, of a model without an adapter.
        model: what to call it, where that is not its hub id.

    Raises:
        RecordError: it cannot be a row; names the file and the key.
    """
    report, where = _read_json(path), str(path)
    name, adapter, prompt, split = (
        _get(report, f"run.{key}", where)
        for key in ("model", "adapter", "prompt", "data")
    )
    if stage is None and adapter is not None:
        raise RecordError(
            f"{where}: run.adapter is {adapter!r}: say with --stage which "
            f"stage it is of, one of {', '.join(STAGES)}"
        )
    if model is None and Path(name).is_dir():
        raise RecordError(
            f"{where}: run.model is a folder, {name!r}: say with --name "
            "how the model is called"
        )
    run = report["run"] | {
        "model": model or name,
        "adapter": adapter and Path(adapter).name,
    }
    kept = {k: v for k, v in report.items() if k not in ("rows", "run")}
    names = {"model": model or name, "stage": stage or prompt}
    record = names | {"split": split} | kept | {"run": run}
    check(record, where)
    _check_questions(report, split, where)
    return record


def _check_questions(
    report: dict[str, Any], split: str, where: str
) -> None:
    """The rows must be those that this version of the course asks."""
    rows = _get(report, "rows", where)
    asked = [question.text for question in load_split(split)]
    if [row["question"] for row in rows] != asked[: report["n"]]:
        raise RecordError(
            f"{where}: rows are not the first {report['n']} questions of "
            f"{split}: was it measured with another version of unitconv?"
        )


def add_record(
    record: dict[str, Any], folder: Path = ADDED, replace: bool = False
) -> Path:
    """Write a checked record where the table finds it.

    Raises:
        RecordError: a row of these names is there, and `replace` is not
            given; a row of the course's own is never replaced.
    """
    key = record["model"], record["stage"], record["split"]
    if key in {row.key for row in course_rows()}:
        raise RecordError(
            f"the course has a row {_told(key)} of its own: give your "
            'model another --name, such as "course (my seed 5)"'
        )
    parts = (re.sub(r"[^\w.]+", "-", part).strip("-") for part in key)
    name = "_".join(parts)
    path = folder / f"{name}.json"
    if path.exists() and not replace:
        raise RecordError(
            f"{path}: there is a row {_told(key)}; --replace to renew it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(record, path)
    return path


def _told(key: tuple[str, str, str]) -> str:
    return f"of {key[0]}, {key[1]}, on {key[2]}"
