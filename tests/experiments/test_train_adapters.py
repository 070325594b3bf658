"""The recorded summaries follow from the shipped rollouts and runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.adapter_card import adapter_card
from experiments.train_adapters import RESULTS, SPLITS, app, rolled
from unitconv.inference.load import ADAPTERS


def test_the_recorded_round_is_that_of_the_shipped_rollouts() -> None:
    stages = json.loads((RESULTS / "stages.json").read_text())
    recorded = stages["seeds"]["seed-0"]["rollouts"]["round 1"]
    summary = json.loads(json.dumps(rolled(RESULTS / "rollouts.jsonl.gz")))
    assert summary == recorded


@pytest.mark.parametrize(
    ("name", "stage"), [("sft", "sft"), ("rft", "rft-2")]
)
def test_a_shipped_card_follows_from_its_records(
    name: str, stage: str, tmp_path: Path
) -> None:
    stages = json.loads((RESULTS / "stages.json").read_text())
    rates = stages["seeds"]["seed-0"]["rates"]
    reports = {split: tmp_path / f"{split}.json" for split in SPLITS}
    for split, path in reports.items():
        path.write_text(json.dumps(rates[split][stage]))
    card = adapter_card(name, ADAPTERS / name / "run.json", reports)
    assert card == (ADAPTERS / name / "README.md").read_text()


def test_every_command_is_listed() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("run", "sweep", "ship", "collect"):
        assert command in result.output
