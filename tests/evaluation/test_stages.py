"""The record of all stages: comparisons, and the tables made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from unitconv.cli import app
from unitconv.evaluation.leaderboard import stages
from unitconv.evaluation.leaderboard.stages import (
    read_stages,
    stage_comparisons,
    summary_cells,
)
from unitconv.evaluation.stats import PairedComparison, holm

WON = PairedComparison(500, 5, 40, clustered_ci95=(0.02, 0.12)).to_json()
EVEN = PairedComparison(500, 20, 26, clustered_ci95=(-0.02, 0.04)).to_json()


def rates(accuracy: float) -> dict[str, Any]:
    valid = None if accuracy < 0.5 else 0.9
    return {
        **{"n": 500, "accuracy": accuracy, "answer_rate": 1.0},
        "reasoning_validity": valid,
    }


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two seeds, and a stage that no page explains."""
    made = {
        "seeds": {
            seed: {
                "rates": {
                    split: {"cot": rates(0.75), "mine": rates(accuracy)}
                    for split, accuracy in (("test", a), ("test_hard", 0.3))
                },
                "compared": {
                    "test": {"cot mine": WON},
                    "test_hard": {"cot mine": EVEN},
                },
            }
            for seed, a in (("seed-0", 0.8), ("seed-1", 0.84))
        }
    }
    monkeypatch.setattr(stages, "read_stages", lambda: made)
    return made


def test_comparisons_are_adjusted_within_each_split(
    record: dict[str, Any],
) -> None:
    found = stage_comparisons(record)
    assert [(c.split, c.seed, c.verdict) for c in found] == [
        ("test", "seed-0", "better"),
        ("test", "seed-1", "better"),
        ("test_hard", "seed-0", "not shown"),
        ("test_hard", "seed-1", "not shown"),
    ]
    plain = [WON["p_value"]] * 2
    assert [c.adjusted_p for c in found[:2]] == holm(plain)
    assert found[0].paired == PairedComparison.from_json(WON)
    cells = list(summary_cells(found))
    assert [row[:3] for row in cells] == [
        ["test", "mine", "cot"],
        ["test_hard", "mine", "cot"],
    ]
    assert [row[-1] for row in cells] == ["2 better", "2 not shown"]


def test_page_shows_every_stage_split_and_seed(
    record: dict[str, Any],
) -> None:
    seeds = stages.seeds_markdown()
    assert "| mine | 500 | 0.800 | 0.840 | 0.820 | 0.028 | 1.000 |" in seeds
    assert "[cot](../notebooks/07_prompting.ipynb) | 500 | 0.750" in seeds
    assert "**test_hard**" in seeds
    compared = stages.comparisons_markdown()
    assert "**test** (2 comparisons)" in compared
    [line, _] = [x for x in compared.splitlines() if "not shown" in x]
    assert "| 20, 26 | +0.012 |" in line
    assert "| -0.020,\u00a0+0.040 |" in line


def test_tiny_p_values_are_written_as_a_bound() -> None:
    assert [stages.p_text(p) for p in (0.0382, 1e-9)] == ["0.04", "1e-09"]
    assert stages.p_text(0.0382, digits=2) == "0.038"
    assert stages.p_text(4e-101) == stages.p_text(0.0) == "< 1e-9"


def test_a_prompt_is_measured_once(record: dict[str, Any]) -> None:
    prompts = {"cot": rates(0.75), "cot-us": rates(0.79) | {"steps": 0.25}}
    record["prompts"] = {"test": prompts, "test_hard": prompts}
    for run in record["seeds"].values():
        for compared in run["compared"].values():
            compared["cot cot-us"] = EVEN
    found = stage_comparisons(record)
    assert [c.seed for c in found[:3]] == ["seed-0", "seed-1", "-"]
    assert len(found) == 6
    cells = "| 500 | - | - | 0.790 | - | 1.000 | 0.900 | 0.250 |"
    assert cells in stages.seeds_markdown()


def test_page_follows_the_shipped_record() -> None:
    shipped = read_stages()
    seeds = stages.seeds_markdown()
    for run in shipped["seeds"].values():
        for rates_of in run["rates"].values():
            for report in rates_of.values():
                assert f" {report['accuracy']:.3f} " in seeds
    found = stage_comparisons(shipped)
    compared = stages.comparisons_markdown()
    of_seeds = [c for c in found if c.seed != "-"]
    assert compared.count(" seed-") == len(of_seeds) > 0
    shown = CliRunner().invoke(app, ["results"])
    assert "verdict" in shown.output
    for c in found:
        assert f"{c.paired.difference:+.3f}" in shown.output


def test_record_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "stages.json"
    path.write_text(json.dumps({"seeds": {}}))
    assert read_stages(path) == {"seeds": {}}
