"""From questions to adapters, through the library and its commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from unitconv.cli import app
from unitconv.evaluation.evaluate import evaluate
from unitconv.grading.tasks.multiplication import MULTIPLICATION
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS, ADAPTERS
from unitconv.inference.load.model import COURSE_MODEL
from unitconv.task.dataset import load_split
from unitconv.training.config import (
    COURSE_RECIPES,
    RFT_DEFAULTS,
    SFT_DEFAULTS,
    SMOLLM2_RECIPES,
    Recipe,
    TrainingError,
    TrainingRun,
)
from unitconv.training.examples import read_triples
from unitconv.training.pipelines import (
    Base,
    is_finished,
    pick_base,
    train_sft,
)
from unitconv.training.rejection_sampling import merge_rounds
from unitconv.training.rollouts import read_rollouts

REASONING = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"


@pytest.fixture
def cpu() -> Base:
    return pick_base("course", "cpu")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file of 24 questions of the train split."""
    path = tmp_path / "data.json"
    pairs = [[q.text, q.answer] for q in load_split("train")[:24]]
    path.write_text(json.dumps(pairs))
    return path


def test_settings_follow_the_recipe_and_then_the_overrides(
    cpu: Base,
) -> None:
    default = cpu.settings(SFT_DEFAULTS)
    assert default.alpha == 2 * default.rank
    settings = cpu.settings(SFT_DEFAULTS, rank=4, seed=7)
    assert (settings.rank, settings.alpha, settings.seed) == (4, 8, 7)
    assert cpu.settings(SFT_DEFAULTS, rank=4, alpha=4).alpha == 4
    recipe = Recipe(3, 0.5, batch_size=7, dropout=0.25)
    settings = cpu.settings(recipe, epochs=None, learning_rate=0.1)
    assert (settings.epochs, settings.learning_rate) == (3, 0.1)
    assert (settings.batch_size, settings.dropout) == (7, 0.25)


def test_recipes_are_those_of_the_kind_of_base(
    tmp_path: Path, model_folder: Path
) -> None:
    """A copy of the course model is known as one; others are not."""
    copy = shutil.copytree(COURSE_MODEL, tmp_path / "copy")
    for name in ("course", str(copy)):
        assert pick_base(name, "cpu").recipes is COURSE_RECIPES
    other = pick_base(str(model_folder), "cpu")
    assert other.recipes is SMOLLM2_RECIPES
    # One comparison, one rank: it is not the method that decides it.
    for recipes in (COURSE_RECIPES, SMOLLM2_RECIPES):
        assert recipes.sft.rank == recipes.rft.rank


@pytest.mark.parametrize(
    ("name", "recipe"), [("sft", SFT_DEFAULTS), ("rft", RFT_DEFAULTS)]
)
def test_the_shipped_adapters_were_trained_with_the_defaults(
    name: str, recipe: Recipe
) -> None:
    run = json.loads((ADAPTERS / name / "run.json").read_text())
    # The entry is younger than the record, and this is what was done.
    run = {"shuffle_batches": False} | run
    assert asdict(recipe).items() <= run.items()


def test_the_epoch_with_the_best_score_is_kept(
    cpu: Base, tmp_path: Path
) -> None:
    valid = load_split("valid")[:40]
    settings = cpu.settings(
        SFT_DEFAULTS, epochs=3, rank=4, learning_rate=1e-2
    )
    train, run = load_split("train")[:64], TrainingRun(tmp_path)
    result = train_sft(cpu, train, settings, run, valid)
    assert is_finished(tmp_path)
    scores = [score for _, score in result.valid_scores]
    assert len(scores) == len(result.valid_losses) == 3
    llm = LLM.from_pretrained("course", tmp_path, device="cpu")
    assert evaluate(llm, valid).accuracy.value == max(scores)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "course"


def test_an_adapter_names_the_weights_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the name that was asked for, which may mean others tomorrow."""
    monkeypatch.setenv("UNITCONV_CACHE", str(tmp_path))
    shutil.copytree(COURSE_MODEL, tmp_path / "smollm2-q4_1")
    base, data = pick_base("smollm2", "cpu"), load_split("train")[:4]
    settings = base.settings(SFT_DEFAULTS, epochs=1, rank=1)
    run = TrainingRun(tmp_path / "adapter")
    train_sft(base, data, settings, run, data)
    config = json.loads((run.folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "smollm2-q4_1"


def succeed(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize(
    ("method", "recipe"), [("sft", SFT_DEFAULTS), ("rft", RFT_DEFAULTS)]
)
def test_a_command_trains_with_its_defaults_or_its_options(
    method: str, recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    examples, output = data, tmp_path / "out"
    if method == "rft":
        examples = tmp_path / "triples.json"
        examples.write_text(json.dumps([["6 kg in g?", 6000, REASONING]]))
    result = succeed(
        *[method, f"--output={output}", f"--data={examples}"],
        *[f"--valid={data}", "--device=cpu", "--epochs=1", "--rank=3"],
        *["--batch-size=6", "--seed=8"],
    )
    assert "epoch 1 of 1: 0." in result.stderr
    settings = json.loads((output / "run.json").read_text())
    chosen = {"epochs": 1, "rank": 3, "batch_size": 6, "seed": 8}
    assert (asdict(recipe) | chosen).items() <= settings.items()


def test_training_on_a_chat_prompt(data: Path, tmp_path: Path) -> None:
    """The adapter remembers it, and a resumed run has to keep it."""
    output = tmp_path / "chat"
    command = [
        *["sft", f"--output={output}", f"--data={data}", f"--valid={data}"],
        *["--device=cpu", "--epochs=1", "--rank=2"],
    ]
    succeed(*command, "--prompt=chat")
    assert json.loads((output / "run.json").read_text())["prompt"] == "chat"
    llm = LLM.from_pretrained("course", output, device="cpu")
    assert llm.style == "chat"
    raw = LLM.from_pretrained("course", output, prompt="raw", device="cpu")
    assert raw.style == "raw"
    other = CliRunner().invoke(app, [*command, "--resume"])
    assert other.exit_code == 2
    assert "(prompt, rows)" in other.stderr
    unknown = CliRunner().invoke(app, [*command, "--prompt=poem"])
    assert unknown.exit_code == 2
    assert "unknown prompt style 'poem'" in unknown.stderr


def test_a_task_that_begins_replies_has_no_chat_prompt(
    cpu: Base, tmp_path: Path
) -> None:
    base = replace(cpu, task=MULTIPLICATION, prompt="chat")
    settings = base.settings(SFT_DEFAULTS, epochs=1, rank=1)
    with pytest.raises(TrainingError, match="train on the bare question"):
        train_sft(base, None, settings, TrainingRun(tmp_path / "out"))


@pytest.mark.slow
def test_the_second_round_samples_from_the_first_and_joins_both(
    data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "rft"
    command = [
        *["rft", "--rounds=2", f"--questions={data}", "--samples=3"],
        *[f"--valid={data}", "--epochs=1", "--device=cpu"],
        f"--output={output}",
    ]
    succeed(*command)
    first, second = (
        read_triples(output / f"triples-{n}.json") for n in (1, 2)
    )
    records = [
        read_rollouts(output / f"rollouts-{n}.jsonl") for n in (1, 2)
    ]
    assert first == merge_rounds([], records[0], 2)
    assert second == merge_rounds(first, records[1], 2)
    header = (output / "rollouts-2.jsonl").read_text().splitlines()[0]
    assert json.loads(header)["adapter"] == str(output / "round-1")
    before = (output / ADAPTER_WEIGHTS).read_bytes()
    (output / ADAPTER_WEIGHTS).unlink()
    succeed(*command, "--resume")
    assert (output / ADAPTER_WEIGHTS).read_bytes() == before
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
