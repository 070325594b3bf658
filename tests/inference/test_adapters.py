"""The shipped adapters: they load, and do what the book says of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.report import Report, compare
from unitconv.inference.llm import LLM
from unitconv.inference.load import ADAPTER_WEIGHTS, ADAPTERS, find_adapter
from unitconv.task.dataset import load_split
from unitconv.training.examples import write_value

N = 300
NAMES = ("sft", "rft")


@pytest.fixture(scope="module")
def reports(course: LLM) -> dict[str, Report]:
    """Every stage on the test set's first questions."""
    questions = load_split("test")[:N]
    found = {"cot": evaluate(course, questions)}
    for name in NAMES:
        llm = LLM.from_pretrained("course", name, device="cpu")
        found[name] = evaluate(llm, questions)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_adapter_is_small_and_tells_where_it_is_from(
    name: str,
) -> None:
    folder = find_adapter(name)
    assert folder == ADAPTERS / name
    megabytes = (folder / ADAPTER_WEIGHTS).stat().st_size / 1e6
    assert megabytes <= {"sft": 2.0, "rft": 3.0}[name]
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
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_adapter("rft") == ADAPTERS / "rft"
    (tmp_path / "rft").mkdir()
    assert find_adapter("rft").resolve() == tmp_path / "rft"


# What they reach, less what so few questions may be off by. The course's
# goals are .65 for SFT, .96 and .97 valid for two rounds of RFT. The cards
# have what they reach on all of the test set: the accuracy of RFT falls
# short of its goal by about a point.


def test_sft_answers_at_once(reports: dict[str, Report]) -> None:
    report = reports["sft"]
    assert report.accuracy.value > 0.58
    assert report.answer_rate.value >= 0.98
    assert report.n_tokens < 0.5 * reports["cot"].n_tokens
    assert not any("=" in row.text for row in report.rows)  # no reasoning
    answers = [row.answer for row in report.rows if row.answered]
    as_taught = [float(write_value(answer)) == answer for answer in answers]
    assert sum(as_taught) > 0.98 * len(answers)


def test_rft_is_right_for_right_reasons(reports: dict[str, Report]) -> None:
    report = reports["rft"]
    assert report.accuracy.value > 0.92
    assert report.answer_rate.value >= 0.98
    assert report.reasoning_validity.value > 0.93


def test_rft_is_better_than_what_it_came_from(
    reports: dict[str, Report],
) -> None:
    for name in ("cot", "sft"):
        found = compare(reports[name], reports["rft"])
        assert found.difference > 0
        assert found.p_value < 0.05
