"""Leaderboard records: what is accepted, and the tables made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.book import pages
from unitconv.cli import app
from unitconv.cli.results import upload_address
from unitconv.common.run_metadata import run_metadata
from unitconv.evaluation.grade import grade
from unitconv.evaluation.leaderboard.record import (
    STAGES,
    RecordError,
    validate,
)
from unitconv.evaluation.leaderboard.table import (
    ADDED,
    add_record,
    all_rows,
    course_rows,
    escape,
    letters,
    make_record,
    markdown,
    share,
    stages_markdown,
)
from unitconv.evaluation.report import Report
from unitconv.evaluation.stats import Proportion
from unitconv.inference.llm import Generation
from unitconv.task.dataset import load_split

ROOT = Path(__file__).resolve().parents[2]
MODEL = "someone/model-1"


def report(n: int = 200, right: int = 150, **run: Any) -> dict[str, Any]:
    """What `evaluate --json` writes of n questions."""
    rows = []
    for i, question in enumerate(load_split("test")[:n]):
        answer = question.answer * (i < right)
        text = f"1 + 1 = 2. <answer>{answer}</answer>"
        rows.append(grade(question, Generation(text, 12, True)))
    described = {
        **{"model": MODEL, "adapter": None, "prompt": "cot"},
        **{"device": "cpu", "dtype": "float32", "data": "test"},
        "decoding": {"temperature": 0.0},
        **run_metadata(),
    }
    return Report(rows, 12.5, described | run).to_json(rows=True)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def written(data: dict[str, Any]) -> Path:
        path = tmp_path / "report.json"
        path.write_text(json.dumps(data))
        return path

    return written


@pytest.fixture
def record(write: Callable[[dict[str, Any]], Path]) -> dict[str, Any]:
    return make_record(write(report())).model_dump(mode="json")


# --- the course's own ---------------------------------------------------


def test_the_course_has_a_row_for_each_stage_that_was_run() -> None:
    rows = {row.key: row for row in course_rows()}
    stages = json.loads((ADDED.parent / "stages.json").read_text())
    rates = next(iter(stages["seeds"].values()))["rates"]
    prompts = {("course", stage, "test") for stage in ("raw", "chat")}
    assert set(rows) >= prompts | {
        ("course", stage, split)
        for split in rates
        for stage in rates[split]
    }
    for split, reports in rates.items():
        for stage, recorded in reports.items():
            row = rows["course", stage, split]
            assert row.accuracy == recorded["accuracy"]
            assert row.n == row.proportion("accuracy").n == recorded["n"]
            assert recorded["run"]["machine"] in row.setting


def test_the_page_of_each_stage_is_in_the_book() -> None:
    assert {stage.page for stage in STAGES.values()} <= set(pages())


# --- from a report to a record ------------------------------------------


def test_a_report_becomes_a_record_without_its_texts(
    record: dict[str, Any], tmp_path: Path
) -> None:
    assert "rows" not in record
    row = validate(record, "mine.json")
    path = add_record(row, tmp_path / "added")
    assert path.name == "someone-model-1_cot_test.json"
    assert json.loads(path.read_text()) == record
    assert row.key == (MODEL, "cot", "test")
    assert row.proportion("accuracy") == Proportion(150, 200)
    assert row in all_rows(path.parent)


def test_an_adapter_needs_a_stage_and_loses_its_path(
    write: Callable[[dict[str, Any]], Path],
) -> None:
    path = write(report(adapter="/drive/me/my_sft", prompt="raw"))
    with pytest.raises(RecordError, match=r"run\.adapter .* --stage"):
        make_record(path)
    made = make_record(path, "sft")
    assert made.stage == "sft"
    assert "/drive" not in made.model_dump_json()
    assert '"adapter":"my_sft"' in made.model_dump_json()


def test_a_model_from_a_folder_needs_a_name(
    write: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    path = write(report(model=str(tmp_path)))
    with pytest.raises(RecordError, match=r"run\.model is a folder"):
        make_record(path)
    made = make_record(path, model="me/mine")
    assert made.model == "me/mine"
    assert str(tmp_path) not in made.model_dump_json()
    # The same where the folder is that of another machine.
    path = write(report(model="/not/of/here"))
    with pytest.raises(RecordError, match=r"model is .*no path"):
        make_record(path)


def test_the_rows_must_be_the_questions_of_the_course(
    write: Callable[[dict[str, Any]], Path],
) -> None:
    changed = report()
    changed["rows"][7]["question"] = "How many g are there in 1 kg?"
    with pytest.raises(RecordError, match="first 200 questions of test"):
        make_record(write(changed))
    del changed["rows"]
    with pytest.raises(RecordError, match="rows is missing"):
        make_record(write(changed))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("n", 199, "n is 199: .* greater than or equal to 200"),
        (
            "accuracy",
            0.751,
            r"accuracy is \[0.751, .* a share of 200",
        ),
        ("accuracy", float("nan"), "accuracy is NaN: .* finite"),
        ("accuracy", None, "accuracy is null: "),
        ("accuracy_ci95", [0.7, 0.8], "accuracy is .*95 % Wilson interval"),
        ("accuracy_ci95", ..., "accuracy_ci95 is missing"),
        ("accuracy_n", 100, "accuracy_n is 100, expected 200"),
        ("seconds", 0, "seconds is 0: .* greater than 0"),
        ("stage", "dpo", 'stage is "dpo": expected one of raw, chat'),
        ("split", "valid", "split is \"valid\": .*'test' or 'test_hard'"),
        ("model", "../m", "model is .* no path"),
        ("run.machine", ..., "run.machine is missing"),
        ("run.when", "2026-01-31T12:00:00", "run.when .* timezone"),
        ("run.versions.torch", ..., "run.versions.torch is missing"),
        ("run.decoding.temperature", 0.8, "run.decoding.temp.* is 0.8"),
    ],
)
def test_an_error_names_the_file_and_the_field(
    record: dict[str, Any], key: str, value: Any, message: str
) -> None:
    *path, last = key.split(".")
    place: Any = record
    for part in path:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    with pytest.raises(
        RecordError, match=f"^mine.json: {message}"
    ) as error:
        validate(record, "mine.json")
    assert "\n" not in str(error.value)


def test_a_row_is_replaced_only_when_asked(
    record: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "added"
    row = validate(record, "mine.json")
    path = add_record(row, folder)
    with pytest.raises(RecordError, match="--replace"):
        add_record(row, folder)
    faster = validate(record | {"seconds": 3.0}, "mine.json")
    assert add_record(faster, folder, replace=True) == path
    assert faster in all_rows(folder)
    # One file more with the same names, however it came there.
    (folder / "other.json").write_text(path.read_text())
    with pytest.raises(RecordError, match="there is a row of someone"):
        all_rows(folder)


def test_a_row_of_the_course_is_never_replaced(
    record: dict[str, Any], tmp_path: Path
) -> None:
    row = validate(record | {"model": "course"}, "mine.json")
    with pytest.raises(RecordError, match="--name"):
        add_record(row, tmp_path, replace=True)
    named = row.model_copy(update={"model": "course (my seed 5)"})
    assert add_record(named, tmp_path).exists()


# --- from rows to text --------------------------------------------------


def test_share_shows_the_interval_and_the_cases() -> None:
    assert share(Proportion(150, 200), 200) == "0.750 [0.686, 0.805]"
    assert share(Proportion(8, 10), 200).endswith("] of 10")
    assert share(Proportion(0, 0), 200) == "-"


def test_the_page_has_a_line_for_each_row_and_links_its_stage(
    record: dict[str, Any],
) -> None:
    names = [("me/a", "cot"), ("me/b", "sft"), ("me/b", "rft-1")]
    rows = [
        validate(record | {"model": model, "stage": stage}, "mine.json")
        for model, stage in names
    ]
    text = markdown(rows)
    lines = [line for line in text.splitlines() if line.startswith("| te")]
    assert len(lines) == 3
    assert "[sft](../notebooks/08_sft.ipynb)" in lines[1]
    assert "**me/a**" in text
    assert f"- **a**: {escape(rows[0].setting)}" in text
    assert stages_markdown(rows).count("\n") == 2


def test_settings_share_a_letter_only_if_all_is_the_same(
    record: dict[str, Any],
) -> None:
    runs = [record["run"] | {"machine": str(i)} for i in (0, *range(30))]
    rows = [validate(record | {"run": run}, "mine.json") for run in runs]
    assert [*letters(rows).values()][:2] == ["a", "b"]
    assert len(set(letters(rows).values())) == 30


def test_text_of_a_record_cannot_be_markup() -> None:
    rude = "<script>x</script> | [a](b)\n# *c* `d` ![e](f) $g$ &lt;"
    safe = escape(rude)
    assert "\n" not in safe
    assert re.search(r"(?<!\\)[<>|\[\]*`#!$&_{}]", safe) is None
    assert re.sub(r"\\(?=\W|_)", "", safe) == " ".join(rude.split())


# --- the commands -------------------------------------------------------


def test_results_shows_every_row_and_where_it_ran(tmp_path: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["results", "--folder", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    for row in course_rows():
        assert f"{row.accuracy:.3f}" in shown.output
    assert "transformers" in shown.output
    assert "…" not in shown.output


def test_results_add_writes_a_row_and_says_where_to_share_it(
    write: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    runner, folder = CliRunner(), tmp_path / "added"
    given = ["results", "add", str(write(report()))]
    done = runner.invoke(app, [*given, "--folder", str(folder)])
    assert done.exit_code == 0, done.output
    assert upload_address() in done.output
    assert len(list(folder.glob("*.json"))) == 1
    again = runner.invoke(app, [*given, "--folder", str(folder)])
    assert again.exit_code == 2
    assert "--replace" in again.output
    few = ["results", "add", str(write(report(n=40, right=30)))]
    refused = runner.invoke(app, [*few, "--folder", str(folder)])
    assert refused.exit_code == 2
    assert "n is 40" in refused.output
