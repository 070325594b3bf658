"""What may be a row of the results page, and what becomes of it."""

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
from unitconv.common.run_metadata import provenance, versions
from unitconv.evaluation.evaluate import Report
from unitconv.evaluation.grade import grade
from unitconv.evaluation.leaderboard import (
    ADDED,
    STAGES,
    RecordError,
    Row,
    Setting,
    add_record,
    all_rows,
    check,
    course_rows,
    make_record,
    read_added,
)
from unitconv.evaluation.leaderboard_table import (
    describe,
    escape,
    letters,
    markdown,
    share,
    stages_markdown,
)
from unitconv.evaluation.stats import Rate
from unitconv.inference.llm import Generation
from unitconv.task.dataset import load_split

ROOT = Path(__file__).resolve().parents[2]
MODEL = "someone/model-1"


def report(n: int = 200, right: int = 150, **run: Any) -> dict[str, Any]:
    """What `evaluate --json` writes of n questions."""
    rows = [
        grade(
            question,
            Generation(
                f"1 + 1 = 2. <answer>{question.answer * (i < right)}"
                "</answer>",
                12,
                True,
            ),
        )
        for i, question in enumerate(load_split("test")[:n])
    ]
    described = {
        "model": MODEL,
        "adapter": None,
        "prompt": "cot",
        "device": "cpu",
        "dtype": "float32",
        "decoding": {"temperature": 0.0},
        "data": "test",
        **provenance(),
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
    return make_record(write(report()))


# --- the course's own ---------------------------------------------------


def test_the_course_has_a_row_for_each_stage_that_was_run() -> None:
    """Held against the records, read in another way."""
    found = {row.key: row for row in course_rows()}
    assert all(row.model == "course" for row in found.values())
    stages = json.loads(
        (
            ROOT / "unitconv" / "evaluation" / "results" / "stages.json"
        ).read_text()
    )
    rates = next(iter(stages["seeds"].values()))["rates"]
    bare = json.loads(
        (
            ROOT
            / "unitconv"
            / "inference"
            / "course_model"
            / "results.json"
        ).read_text()
    )
    expected = {
        ("course", stage, split)
        for source in (rates, bare)
        for split in source
        for stage in source[split]
        if stage in STAGES
    }
    assert set(found) == expected
    for split, reports in rates.items():
        for stage, told in reports.items():
            row = found["course", stage, split]
            assert row.accuracy.value == told["accuracy"]
            assert row.accuracy.n == told["n"]
            assert row.seconds == told["seconds"]
            assert row.setting.machine == told["run"]["machine"]


def test_every_added_record_of_the_repository_is_whole() -> None:
    assert len(all_rows()) >= len(list(ADDED.glob("*.json")))


def test_the_page_of_each_stage_is_in_the_book() -> None:
    assert {stage.page for stage in STAGES.values()} <= set(pages())


# --- from a report to a record ------------------------------------------


def test_a_report_becomes_a_record_without_its_texts(
    record: dict[str, Any], tmp_path: Path
) -> None:
    assert "rows" not in record
    path = add_record(record, tmp_path / "added")
    assert path.name == "someone-model-1_cot_test.json"
    row = read_added(path)
    assert row.key == (MODEL, "cot", "test")
    assert row.accuracy == Rate(150, 200)
    assert row.setting.versions[0] == (
        "unitconv",
        versions()["unitconv"],
    )
    assert MODEL in {row.model for row in all_rows(path.parent)}


def test_an_adapter_needs_a_stage_and_loses_its_path(
    write: Callable[[dict[str, Any]], Path],
) -> None:
    path = write(report(adapter="/drive/me/my_sft", prompt="raw"))
    with pytest.raises(RecordError, match=r"run\.adapter .* --stage"):
        make_record(path)
    made = make_record(path, "sft")
    assert made["stage"] == "sft"
    assert made["run"]["adapter"] == "my_sft"
    assert "/drive" not in json.dumps(made)


def test_a_model_from_a_folder_needs_a_name(
    write: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    path = write(report(model=str(tmp_path)))
    with pytest.raises(RecordError, match=r"run\.model is a folder"):
        make_record(path)
    made = make_record(path, model="me/mine")
    assert made["model"] == made["run"]["model"] == "me/mine"
    assert str(tmp_path) not in json.dumps(made)
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
        ("n", 199, "n is 199, expected at least 200"),
        ("accuracy", 0.751, "accuracy is 0.751, expected a whole number"),
        ("accuracy", 1.5, "accuracy is 1.5, expected a share"),
        ("accuracy", float("nan"), "accuracy is NaN, expected a share"),
        ("accuracy", None, "accuracy is null, expected a share"),
        ("accuracy_ci95", None, "accuracy_ci95 is null, expected the 95 %"),
        ("accuracy_ci95", [0.7, 0.8], r"accuracy_ci95 is \[0.7, 0.8\]"),
        ("accuracy_ci95", ..., "accuracy_ci95 is missing"),
        ("accuracy_n", 100, "accuracy_n|accuracy_ci95"),
        ("answer_rate_ci95", ..., "answer_rate_ci95 is missing"),
        ("seconds", 0, "seconds is 0, expected a time above 0"),
        ("stage", "dpo", 'stage is "dpo", expected one of raw, chat'),
        ("split", "valid", 'split is "valid", expected test or test_hard'),
        ("model", "../m", "model is .* no path"),
        ("model", "<b>", "model is .* no path"),
        ("run.machine", "", "run.machine"),
        ("run.machine", ..., "run.machine is missing"),
        ("run.when", "yesterday", "run.when is .* expected a moment"),
        ("run.when", "2026-01-31T12:00:00", "run.when"),
        ("run.versions.torch", ..., "run.versions.torch is missing"),
        ("run.versions", [], "run.versions.unitconv is missing"),
        ("run.decoding.temperature", 0.8, "temperature is 0.8, expected 0"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_its_file(
    record: dict[str, Any], key: str, value: Any, message: str
) -> None:
    check(record, "mine.json")
    *path, last = key.split(".")
    changed: Any = json.loads(json.dumps(record))
    place = changed
    for part in path:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    with pytest.raises(RecordError, match=message) as caught:
        check(changed, "mine.json")
    assert str(caught.value).startswith("mine.json: ")


def test_fewer_cases_than_questions_are_no_accuracy(
    record: dict[str, Any],
) -> None:
    """The interval fits its rate, but the rate is not of all questions."""
    rate = Rate(75, 100)
    changed = record | {
        "accuracy": rate.value,
        "accuracy_n": rate.n,
        "accuracy_ci95": list(rate.ci95),
    }
    with pytest.raises(RecordError, match="accuracy_n is 100"):
        check(changed, "mine.json")


def test_a_row_is_replaced_only_when_asked(
    record: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "added"
    path = add_record(record, folder)
    with pytest.raises(RecordError, match="--replace"):
        add_record(record, folder)
    assert add_record(record | {"seconds": 3.0}, folder, True) == path
    assert read_added(path).seconds == 3.0
    # One file more with the same names, however it came there.
    (folder / "other.json").write_text(path.read_text())
    with pytest.raises(RecordError, match="there is a row of someone"):
        all_rows(folder)


def test_a_row_of_the_course_is_never_replaced(
    record: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RecordError, match="--name"):
        add_record(record | {"model": "course"}, tmp_path, replace=True)
    renamed = record | {"model": "course (my seed 5)"}
    check(renamed, "mine.json")
    assert add_record(renamed, tmp_path).exists()


# --- from rows to text --------------------------------------------------


def row(model: str = "course", stage: str = "cot", **changes: Any) -> Row:
    setting = Setting(
        "x86_64", 2, "cpu", "float32", "2026-01-31", (("torch", "2.9"),)
    )
    options: dict[str, Any] = {
        "split": "test",
        "accuracy": Rate(150, 200),
        "answered": Rate(200, 200),
        "valid": Rate(8, 10),
        "seconds": 12.4,
        "setting": setting,
    }
    return Row(model, stage, **(options | changes))


def test_a_share_tells_its_interval_and_its_cases() -> None:
    assert share(Rate(150, 200), 200) == "0.750 [0.686, 0.805]"
    assert share(Rate(8, 10), 200).endswith("] of 10")
    assert share(Rate(0, 0), 200) == "-"


def test_the_page_has_a_line_for_each_row_and_links_its_stage() -> None:
    rows = [row(), row("me/m", "sft"), row("me/m", "rft-1")]
    text = markdown(rows)
    lines = [line for line in text.splitlines() if line.startswith("| te")]
    assert len(lines) == 3
    assert "[sft](../notebooks/07_sft.ipynb)" in lines[1]
    assert "[rft-1](../notebooks/08_rft.ipynb)" in lines[2]
    assert "**course**" in text
    assert "- **a**: x86" in text
    told = stages_markdown(rows)
    assert told.count("\n") == 2
    assert "random" not in told


def test_places_share_a_letter_only_if_all_is_the_same() -> None:
    other = Setting(None, None, None, None, None, ())
    names = letters([row(), row(stage="sft"), row(setting=other)])
    assert list(names.values()) == ["a", "b"]
    told = describe(other)
    assert told.count("not recorded") == 3
    many = [Setting(str(i), None, None, None, None, ()) for i in range(30)]
    names = letters([row(setting=setting) for setting in many])
    assert len(set(names.values())) == 30


def test_text_of_a_record_cannot_be_markup() -> None:
    rude = "<script>x</script> | [a](b)\n# *c* `d` ![e](f) $g$ &lt;"
    safe = escape(rude)
    assert "\n" not in safe
    assert re.search(r"(?<!\\)[<>|\[\]*`#!$&_{}]", safe) is None
    assert re.sub(r"\\(?=\W|_)", "", safe) == " ".join(rude.split())


def test_the_directive_makes_a_table_of_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of one directive, built by Sphinx itself."""
    application = pytest.importorskip("sphinx.application")
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    (tmp_path / "index.md").write_text(
        "# Results\n\n```{results-table}\n```\n"
    )
    settings = {
        "extensions": ["myst_parser", "results_table"],
        "suppress_warnings": ["myst.xref_missing"],
        "html_theme": "basic",
    }
    out = tmp_path / "out"
    application.Sphinx(
        *(tmp_path, None, out, out / "trees", "html", settings),
        status=None,
        warning=None,
    ).build()
    page = (out / "index.html").read_text()
    assert page.count("<tr") == len(all_rows()) + len(
        {row.model for row in all_rows()}
    )
    assert "results-table" not in page


# --- the commands -------------------------------------------------------


def test_results_shows_every_row_and_where_it_ran(tmp_path: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["results", "--folder", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    for found in course_rows():
        assert f"{found.accuracy.value:.3f}" in shown.output
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
    assert "n is 40, expected at least 200" in refused.output


def test_a_record_is_shared_where_the_package_looks_for_it() -> None:
    folder = ADDED.relative_to(ROOT).as_posix()
    assert upload_address().endswith(f"/upload/main/{folder}")
    assert upload_address().startswith("https://")
