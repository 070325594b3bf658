"""Every command on SmolLM2-135M-Instruct: ten questions, one step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unitconv.cli import app
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS
from unitconv.task.dataset import load_split
from unitconv.task.prompts import SEVERAL_EXAMPLES
from unitconv.training.examples import reference_triples, write_triples

pytestmark = pytest.mark.slow
N = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten questions, and with reasoning for them."""
    folder = tmp_path_factory.mktemp("smollm2")
    questions = load_split("train")[:N]
    pairs = [[q.text, q.answer] for q in questions]
    (folder / "asked.json").write_text(json.dumps(pairs))
    write_triples(reference_triples(questions), folder / "triples.json")
    return folder


def run(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output


def test_ask_evaluate_and_sample(
    folder: Path, smollm2_weights: str
) -> None:
    model = f"--model={smollm2_weights}"
    run("ask", "How many gram are there per 6 kg?", model)
    asked, report = folder / "asked.json", folder / "report.json"
    run("evaluate", model, f"--data={asked}", f"--json={report}")
    written = json.loads(report.read_text())
    assert written["n"] == len(written["rows"]) == N
    assert written["run"]["model"] == smollm2_weights
    # The prompt is that of the base: it needs more than one example.
    assert written["run"]["prompt"] == SEVERAL_EXAMPLES
    output = folder / "rollouts.json"
    run("rollouts", model, f"--data={asked}", "--samples=2", "-o", output)
    log = output.with_suffix(".jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in log]
    assert sum("rollouts" in row for row in rows) == N


@pytest.mark.parametrize("method", ["sft", "rft"])
def test_one_step_of_training(
    method: str, folder: Path, smollm2_weights: str
) -> None:
    file = "asked.json" if method == "sft" else "triples.json"
    adapter = folder / method
    run(
        method,
        f"--model={smollm2_weights}",
        f"--data={folder / file}",
        f"--valid={folder / 'asked.json'}",
        "--epochs=1",
        f"--output={adapter}",
    )
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == smollm2_weights
    assert (adapter / ADAPTER_WEIGHTS).is_file()


def test_one_step_of_rl(folder: Path, smollm2_weights: str) -> None:
    run(
        "rl",
        f"--model={smollm2_weights}",
        f"--data={folder / 'asked.json'}",
        f"--valid={folder / 'asked.json'}",
        "--steps=1",
        "--questions=5",
        "--samples=2",
        f"--output={folder / 'rl'}",
    )
    assert (folder / "rl" / ADAPTER_WEIGHTS).is_file()
