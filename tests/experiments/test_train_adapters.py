"""The recorded summaries follow from the shipped rollouts and runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest
from typer.testing import CliRunner

from experiments.adapter_card import adapter_card
from experiments.arms import records, stages
from experiments.arms.stages import RESULTS, SPLITS
from experiments.arms.steps import Step, run_all
from experiments.train_adapters import app, write_matched_questions
from unitconv.cli import app as cli
from unitconv.evaluation.grade import grade
from unitconv.evaluation.leaderboard.record import STAGES
from unitconv.evaluation.report import Report
from unitconv.inference.llm import Generation
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS, ADAPTERS
from unitconv.task.dataset import Question, read_questions
from unitconv.task.prompts import STYLES, VARIANTS
from unitconv.training.config import RFT_DEFAULTS
from unitconv.training.rejection_sampling import POLICIES


def test_the_recorded_round_is_that_of_the_shipped_rollouts() -> None:
    record = json.loads((RESULTS / "stages.json").read_text())
    recorded = record["seeds"]["seed-0"]["rollouts"]["round 1"]
    rolled = records.rolled(RESULTS / "rollouts.jsonl.gz")
    assert json.loads(json.dumps(rolled)) == recorded


@pytest.mark.parametrize(
    ("name", "stage"),
    [("sft", "sft"), ("rft", "rft-2"), ("smollm2-sft", "sft-reasoning")],
)
def test_a_shipped_card_follows_from_its_records(
    name: str, stage: str, tmp_path: Path
) -> None:
    file = "smollm2" if name.startswith("smollm2") else "stages"
    record = json.loads((RESULTS / f"{file}.json").read_text())
    rates = (record if file == "smollm2" else record["seeds"]["seed-0"])[
        "rates"
    ]
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


# --- the arms -----------------------------------------------------------


def all_steps(seed: int) -> list[Step]:
    return [
        *stages.first_steps(seed),
        *stages.selection_steps(seed),
        *stages.training_steps(seed),
        *stages.evaluation_steps(seed),
        *stages.sampling_steps(seed),
        *stages.prompt_steps(),
    ]


def test_every_step_is_a_command_with_options_that_exist() -> None:
    helps: dict[str, str] = {}
    for step in all_steps(seed=1):
        name, *options = step.command()
        if name not in helps:
            shown = CliRunner().invoke(cli, [name, "--help"])
            helps[name] = shown.output
        for option in options:
            assert option.split("=")[0] in helps[name], step


def test_steps_need_only_what_earlier_ones_write() -> None:
    made = {stages.folder_of(2) / "matched.json"}
    for step in all_steps(seed=2):
        for argument in step.arguments:
            _, _, value = argument.partition("=")
            if value.startswith("/"):
                path = Path(value)
                assert path in made or path.parent in made, step
        made.add(step.output)


def test_every_arm_has_a_name_on_the_results_page() -> None:
    assert {*stages.PROMPTS} <= {*STYLES, *VARIANTS} & {*STAGES}
    assert {*stages.TRAINED} <= {*STAGES}
    assert {"strict", "audited", *stages.CONTROLS} == {*POLICIES}
    known = {*stages.PROMPTS, *stages.TRAINED}
    for pair in stages.PAIRS:
        assert {*pair.split()} <= known
    assert {*stages.BY_FAMILY} <= {*stages.PAIRS}


def test_arms_of_sft_have_the_settings_and_rows_of_rft(
    tmp_path: Path,
) -> None:
    written = [["a?", 1, "1 + 0 = 1"], ["b?", 2, "x"], ["a?", 1.5, "y"]]
    (tmp_path / "rft.json").write_text(json.dumps(written))
    write_matched_questions(tmp_path)
    asked = read_questions(tmp_path / "matched.json")
    assert [[q.text, q.answer] for q in asked] == [r[:2] for r in written]
    matched = [*stages.training_steps(0)][-1].arguments
    for name, value in asdict(RFT_DEFAULTS).items():
        option = f"--{name.replace('_', '-')}={value}"
        assert option in matched or name in ("dropout", "shuffle_batches")


def test_a_step_runs_once_and_a_training_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "true")
    ran = Step(["evaluate"], tmp_path / "new" / "report.json")
    training = Step(["sft"], tmp_path / "sft")
    run_all([ran, training], jobs=2)
    took = json.loads((tmp_path / "new/report.json.took").read_text())
    assert took["command"] == ["evaluate", "--json=new/report.json"]
    training.output.mkdir()
    (training.output / "run.json").touch()
    assert training.command()[-1] == "--resume"
    assert not training.is_done
    (training.output / ADAPTER_WEIGHTS).touch()
    ran.output.touch()
    monkeypatch.setattr(sys, "executable", "false")
    run_all([ran, training], jobs=1)
    with pytest.raises(CalledProcessError):
        run_all([Step(["evaluate"], tmp_path / "other.json")], jobs=1)


# --- their records ------------------------------------------------------

GALLONS = Question("How many liters are in 6 gallons?", 22.712)
UK = "1 UK gallon = 4.546 l. 6 * 4.546 = 27.276. <answer>27.28</answer>"
US = "1 gallon = 3.785 l. 6 * 3.785 = 22.71. <answer>22.71</answer>"
RUN = {"adapter": None}


def report(*texts: str) -> Report:
    rows = [grade(GALLONS, Generation(t, len(t), True)) for t in texts]
    return Report(rows, 1.0, RUN)


def test_alternative_units_are_counted_among_the_flips() -> None:
    bad = "<answer>1</answer>"
    first, second = report(UK, bad, US, US), report(US, US, UK, bad)
    found = records.alternative_units(first, second)
    assert found == {"gained": 1, "lost": 1}
    [volume] = records.compare_families(first, second).values()
    assert (volume["only_first"], volume["only_second"]) == (2, 2)
    assert volume["p_holm"] == volume["p_value"] == 1


def test_a_stage_record_has_steps_length_and_difficulty() -> None:
    in_steps = "2 * 3 = 6. 6 * 3.785 = 22.71. <answer>22.71</answer>"
    record = records.stage_record(report(UK, in_steps))
    assert (record["steps"], record["alternative_unit"]) == (0.5, 1)
    [(kind, group)] = record["by_difficulty"].items()
    assert (kind, group["n"], group["accuracy"]) == ("1 digit", 2, 0.5)
    assert group["tokens"] == (len(UK) + len(in_steps)) / 2
    assert "rows" not in record
    json.dumps(record, allow_nan=False)


def test_epochs_are_read_from_the_last_checkpoint(tmp_path: Path) -> None:
    for step in (9, 10):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        log: list[dict[str, Any]] = [
            {
                **{"epoch": n, "eval_score": 0.5, "eval_loss": 2.0},
                "eval_tokens_two-hop": 9.0,
            }
            for n in range(1, step)
        ]
        log.append({"epoch": 1, "loss": 3.0})
        state = json.dumps({"log_history": log})
        (folder / "trainer_state.json").write_text(state)
    found = records.epochs(tmp_path)
    assert len(found) == 9
    assert found[0] == {
        **{"epoch": 1, "loss": 2.0, "score": 0.5},
        "tokens_two-hop": 9.0,
    }
