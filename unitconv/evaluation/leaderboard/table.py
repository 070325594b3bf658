"""Leaderboard: read, add and print the measured results.

A row is one model, at one stage, on one of the test splits. The course's
own rows come from the records of its commands; those of readers are the
files of `results/added`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count, groupby
from pathlib import Path
from string import ascii_lowercase

from unitconv.common.files.json_file import read_object
from unitconv.common.io import write_json
from unitconv.evaluation.leaderboard.record import (
    RATES,
    STAGES,
    LeaderboardRecord,
    RecordError,
    stage_link,
    validate,
)
from unitconv.evaluation.stats import Proportion
from unitconv.task.dataset import load_split

PACKAGE = Path(__file__).parents[2]
ADDED = PACKAGE / "evaluation" / "results" / "added"


def all_rows(folder: Path = ADDED) -> list[LeaderboardRecord]:
    """Read every row: the course's model first, stage by stage.

    Raises:
        RecordError: a record that cannot be read.
    """
    rows = {row.key: row for row in course_rows()}
    for path in sorted(folder.glob("*.json")):
        row = validate(read_object(path, RecordError), str(path))
        if row.key in rows:
            raise RecordError(f"{path}: there is a row {_name(row)}")
        rows[row.key] = row
    stages = list(STAGES)
    return sorted(
        rows.values(),
        key=lambda row: (
            row.model != "course",
            row.model,
            row.split,
            stages.index(row.stage),
        ),
    )


def course_rows(package: Path = PACKAGE) -> Iterator[LeaderboardRecord]:
    """Read our rows: prompts, adapters of the first seed, RL, SmolLM2."""
    base = package / "inference" / "course_model" / "results.json"
    trained = package / "evaluation" / "results" / "stages.json"
    online = package / "evaluation" / "results" / "online_rl.json"
    smollm2 = package / "evaluation" / "results" / "smollm2.json"
    stages, runs, other = (
        read_object(path, RecordError)
        for path in (trained, online, smollm2)
    )
    first_seed = next(iter(stages["seeds"].values()))
    shipped = {
        split: {"rl": reports[runs["shipped"]]}
        for split, reports in runs["rates"].items()
    }
    for path, model, splits in (
        (base, "course", read_object(base, RecordError)),
        (trained, "course", stages.get("prompts", {})),
        (trained, "course", first_seed["rates"]),
        (online, "course", shipped),
        (smollm2, other["weights"], other["rates"]),
    ):
        for split, reports in splits.items():
            for stage, report in reports.items():
                if stage in STAGES:
                    names = {"model": model, "stage": stage}
                    record = report | names | {"split": split}
                    yield validate(record, str(path))


def make_record(
    path: Path, stage: str | None = None, model: str | None = None
) -> LeaderboardRecord:
    """Make a record, without texts and paths, from a report.

    Args:
        path: a report of `unitconv evaluate --json` on a course split.
        stage: by default the prompt, of a model without an adapter.
        model: name to show, where that is not the hub id.

    Raises:
        RecordError: the report is incomplete; names file and field.
    """
    report = read_object(path, RecordError)
    for field, kind in (("run", dict), ("rows", list)):
        if not isinstance(report.get(field), kind):
            raise RecordError(
                f"{path}: {field} is missing: give a report that "
                "`unitconv evaluate --json` has written"
            )
    run, rows = report.pop("run"), report.pop("rows")
    name, adapter = run.get("model"), run.get("adapter")
    if stage is None and adapter is not None:
        raise RecordError(
            f"{path}: run.adapter is {adapter!r}: give its stage with "
            f"--stage, one of {', '.join(STAGES)}"
        )
    if model is None and Path(str(name)).is_dir():
        raise RecordError(
            f"{path}: run.model is a folder, {name!r}: give the model a "
            "name with --name"
        )
    run["model"] = model or name
    run["adapter"] = adapter and Path(str(adapter)).name
    names = {
        "model": run["model"],
        "stage": stage or run.get("prompt"),
        "split": run.get("data"),
    }
    record = validate(names | report | {"run": run}, str(path))
    questions = [isinstance(r, dict) and r.get("question") for r in rows]
    split = [question.text for question in load_split(record.split)]
    if questions != split[: record.n]:
        raise RecordError(
            f"{path}: rows are not the first {record.n} questions of "
            f"{record.split}: was it measured with another version of "
            "unitconv?"
        )
    return record


def add_record(
    record: LeaderboardRecord, folder: Path = ADDED, replace: bool = False
) -> Path:
    """Write a record where the table finds it.

    Raises:
        RecordError: a row of these names is there, and `replace` is not
            given; a row of the course's own is never replaced.
    """
    if record.key in {row.key for row in course_rows()}:
        raise RecordError(
            f"the course has a row {_name(record)} of its own: give your "
            'model another --name, such as "course (my seed 5)"'
        )
    parts = [re.sub(r"[^\w.]+", "-", p).strip("-") for p in record.key]
    path = folder / f"{'_'.join(parts)}.json"
    if path.exists() and not replace:
        raise RecordError(
            f"{path}: there is a row {_name(record)}; --replace to renew it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(record.model_dump(mode="json"), path)
    return path


def _name(record: LeaderboardRecord) -> str:
    return f"of {record.model}, {record.stage}, on {record.split}"


HEADS = (
    *("questions", "stage", "n", "accuracy", "clustered", "answered"),
    *("reasoning valid", "s", "at"),
)
SHORT_HEADS = (
    *("questions", "stage", "n", "right", "95 %"),
    *("answered", "valid", "s", "at"),
)


def share(rate: Proportion, n_questions: int, interval: bool = True) -> str:
    """Format a rate, its interval, and its cases if not all questions.

    >>> share(Proportion(3, 4), 10)
    '0.750 [0.301, 0.954] of 4'
    """
    if not rate.n:
        return "-"
    low, high = rate.ci95
    text = f"{rate.value:.3f}" + f" [{low:.3f}, {high:.3f}]" * interval
    return text if rate.n == n_questions else f"{text} of {rate.n}"


def cells(row: LeaderboardRecord, where: str) -> list[str]:
    """Format one row, in the order of `HEADS`."""
    seconds = row.seconds
    accuracy, *others = (share(row.proportion(r), row.n) for r in RATES)
    low, high = row.accuracy_clustered_ci95 or (None, None)
    return [
        *(row.split, row.stage, str(row.n), accuracy),
        "-" if low is None else f"[{low:.3f}, {high:.3f}]",
        *others,
        f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}",
        where,
    ]


def short_cells(row: LeaderboardRecord, where: str) -> list[str]:
    """Format one row for a terminal, in the order of `SHORT_HEADS`."""
    accuracy, *others = (row.proportion(rate) for rate in RATES)
    low, high = accuracy.ci95
    return [
        *(row.split, row.stage, str(row.n)),
        *(f"{accuracy.value:.3f}", f"{low:.3f}-{high:.3f}"),
        *(share(rate, row.n, interval=False) for rate in others),
        *(f"{row.seconds:.0f}", where),
    ]


def letters(rows: Sequence[LeaderboardRecord]) -> dict[str, str]:
    """Map each `setting` of the rows to a letter: a, b, ... z, aa."""
    settings = dict.fromkeys(row.setting for row in rows)
    names = (c * n for n in count(1) for c in ascii_lowercase)
    return dict(zip(settings, names, strict=False))


def markdown(rows: Sequence[LeaderboardRecord]) -> str:
    """Write a table for each model, and the settings below.

    Links are those of a page in `book/`.
    """
    names = letters(rows)
    blocks = []
    for model, of_model in groupby(rows, key=lambda row: row.model):
        lines = [
            f"**{escape(model)}**",
            "",
            "| " + " | ".join(HEADS) + " |",
            "|---|---|--:|--:|--:|--:|--:|--:|---|",
        ]
        for row in of_model:
            row_cells = [escape(c) for c in cells(row, names[row.setting])]
            row_cells[1] = stage_link(row.stage)
            lines.append("| " + " | ".join(row_cells) + " |")
        blocks.append("\n".join(lines))
    settings = "\n".join(
        f"- **{letter}**: {escape(setting)}"
        for setting, letter in names.items()
    )
    return "\n\n".join([*blocks, settings])


def stages_markdown(rows: Sequence[LeaderboardRecord]) -> str:
    """List the stages that occur, each linked to its chapter."""
    occurring = {row.stage for row in rows}
    return "\n".join(
        f"- [{name}](../{stage.page}.ipynb): {stage.what}"
        for name, stage in STAGES.items()
        if name in occurring
    )


def escape(text: str) -> str:
    """Escape Markdown and line breaks; keep an interval on one line."""
    flat = " ".join(text.split())
    flat = re.sub(r"([\\`*_{}\[\]<>|#!&$])", r"\\\1", flat)
    return re.sub(r"(\\\[[\d.]+,) ", "\\1\u00a0", flat)
