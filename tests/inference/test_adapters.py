"""The shipped adapters: they load, and reach what the records say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.leaderboard.table import course_rows
from unitconv.evaluation.report import Report, compare
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import (
    ADAPTER_WEIGHTS,
    ADAPTERS,
    find_adapter,
)
from unitconv.task.dataset import load_split
from unitconv.training.examples import write_value

#: Adapters of the course model, and their prompts.
NAMES = {"sft": "raw", "rft": "raw", "rl": "cot"}


def evaluate_all(course: LLM, n: int) -> dict[str, Report]:
    """Evaluate CoT and the adapters on the first `n` test questions."""
    questions = load_split("test")[:n]
    reports = {"cot": evaluate(course, questions)}
    for name, prompt in NAMES.items():
        llm = LLM.from_pretrained("course", name, device="cpu")
        assert llm.style == prompt
        reports[name] = evaluate(llm, questions)
    return reports


@pytest.fixture(scope="module")
def reports(course: LLM) -> dict[str, Report]:
    return evaluate_all(course, n=40)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_adapter_is_small_and_has_a_card(name: str) -> None:
    folder = find_adapter(name)
    assert folder == ADAPTERS / name
    megabytes = (folder / ADAPTER_WEIGHTS).stat().st_size / 1e6
    assert megabytes <= 3.0
    assert {p.name for p in folder.iterdir()} == {
        ADAPTER_WEIGHTS,
        "README.md",
        "adapter_config.json",
        "run.json",
    }
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "course"
    card = (folder / "README.md").read_text()
    assert f"unitconv {name} " in card
    assert "[0." in card  # intervals


def test_a_folder_of_that_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_adapter("rft") == ADAPTERS / "rft"
    (tmp_path / "rft").mkdir()
    assert find_adapter("rft").resolve() == tmp_path / "rft"


def test_sft_answers_at_once(reports: dict[str, Report]) -> None:
    report = reports["sft"]
    assert report.accuracy.value > 0.5
    assert report.n_tokens < 0.5 * reports["cot"].n_tokens
    assert not any("=" in row.text for row in report.rows)  # no reasoning
    answers = [row.answer for row in report.rows if row.answered]
    assert len(answers) >= 38
    as_taught = [float(write_value(answer)) == answer for answer in answers]
    assert sum(as_taught) >= len(answers) - 1


@pytest.mark.parametrize("name", ["rft", "rl"])
def test_right_for_right_reasons(
    reports: dict[str, Report], name: str
) -> None:
    assert reports[name].accuracy.value > 0.85
    assert reports[name].reasoning_validity.value > 0.85


@pytest.mark.slow
def test_shipped_models_reach_their_records(course: LLM) -> None:
    """On all 1000 test questions."""
    reports = evaluate_all(course, n=1000)
    recorded = {
        row.stage: row.accuracy
        for row in course_rows()
        if (row.model, row.split) == ("course", "test")
    }
    stages = {"cot": "cot", "sft": "sft", "rft": "rft-2", "rl": "rl"}
    for name, stage in stages.items():
        # Ties of logits may fall otherwise with another version of torch.
        accuracy = reports[name].accuracy.value
        assert accuracy == pytest.approx(recorded[stage], abs=0.002)
    for name in ("cot", "sft"):
        pair = compare(reports[name], reports["rft"])
        assert pair.difference > 0
        assert pair.p_value < 0.05
