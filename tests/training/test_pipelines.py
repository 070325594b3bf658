"""From questions to adapters: every stage, on models of any shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import unitconv
from unitconv.cli import app
from unitconv.common.io import write_text
from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.grade import grade
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.load import ADAPTER_WEIGHTS, ADAPTERS, load_adapter
from unitconv.task.dataset import Question, load_split
from unitconv.training.config import (
    RFT_DEFAULTS,
    SFT_DEFAULTS,
    Recipe,
    TrainingError,
    TrainingSettings,
)
from unitconv.training.examples import read_triples
from unitconv.training.pipelines import (
    is_finished,
    pick_base,
    train_rft,
    train_sft,
)
from unitconv.training.rejection_sampling import (
    merge_rounds,
    outcome_counts,
    select_examples,
    success_rate,
    success_rate_by_family,
)
from unitconv.training.rollouts import (
    RolloutSettings,
    grade_completions,
    read_rollouts,
)

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
QUICK = RolloutSettings(num_return_sequences=2, max_new_tokens=4)
REASONING = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"


@pytest.fixture
def cpu() -> Any:
    return pick_base("course", "cpu")


def test_a_rank_given_alone_keeps_the_scale(cpu: Any) -> None:
    assert (
        cpu.settings(SFT_DEFAULTS).alpha
        == 2 * cpu.settings(SFT_DEFAULTS).rank
    )
    settings = cpu.settings(SFT_DEFAULTS, rank=4, seed=7)
    assert (settings.rank, settings.alpha, settings.seed) == (4, 8, 7)
    assert cpu.settings(SFT_DEFAULTS, rank=4, alpha=4).alpha == 4
    # Only a rank that nobody asked for may be lowered to fit the budget.
    assert cpu.settings(SFT_DEFAULTS).lower_rank
    assert not settings.lower_rank
    with pytest.raises(ValueError, match="cpu, t4, ampere"):
        pick_base("course", "cpu", "tpu")


def test_settings_follow_the_recipe_and_then_what_is_given(
    cpu: Any,
) -> None:
    recipe = Recipe(3, 0.5, 7.0, 0.25)
    settings = cpu.settings(recipe, epochs=None, learning_rate=0.1)
    assert (settings.epochs, settings.learning_rate) == (3, 0.1)
    assert (settings.max_adapter_mb, settings.dropout) == (7.0, 0.25)


def test_the_shipped_adapters_were_trained_by_their_recipes() -> None:
    for name, recipe in (("sft", SFT_DEFAULTS), ("rft", RFT_DEFAULTS)):
        run = json.loads((ADAPTERS / name / "run.json").read_text())
        assert asdict(recipe).items() <= run.items()


def test_the_shipped_rollouts_give_the_shipped_triples() -> None:
    """Who replays the record trains on what the adapter was trained on."""
    records = read_rollouts(RESULTS / "rollouts.jsonl.gz")
    asked = load_split("train")
    assert [(r.question, r.answer) for r in records] == [
        (question.text, question.answer) for question in asked
    ]
    assert select_examples(records) == read_triples(RESULTS / "rft.json")


@pytest.mark.parametrize(
    ("method", "recipe"), [("sft", SFT_DEFAULTS), ("rft", RFT_DEFAULTS)]
)
def test_a_command_trains_by_the_recipe_or_by_its_options(
    method: str,
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The settings that reach the library, from a stand-in for it."""
    found: list[TrainingSettings] = []

    def train(
        _base: Any, _data: Any, settings: Any, *_: Any, **__: Any
    ) -> None:
        found.append(settings)
        raise ValueError("trained")

    monkeypatch.setattr(
        f"unitconv.training.pipelines.train_{method}", train
    )
    triples = tmp_path / "triples.json"
    triples.write_text(json.dumps([["6 kg in g?", 6000, REASONING]]))
    command = [method, "-o", str(tmp_path / "out"), "--device", "cpu"]
    if method == "rft":
        command += ["--data", str(triples)]
    assert "trained" in complaint(*command)
    assert "trained" in complaint(
        *(*command, "--epochs", "2", "--learning-rate", "0.5"),
        *("--dropout", "0.25", "--max-adapter-mb", "7", "--rank", "3"),
        *("--batch-size", "6", "--seed", "8"),
    )
    by_default, chosen = (asdict(settings) for settings in found)
    assert asdict(recipe).items() <= by_default.items()
    assert asdict(Recipe(2, 0.5, 7.0, 0.25)).items() <= chosen.items()
    assert {"rank": 3, "batch_size": 6, "seed": 8}.items() <= chosen.items()


def test_the_epoch_with_the_best_score_is_kept(
    cpu: Any, tmp_path: Path
) -> None:
    """Whatever the loss says: the shipped folder answers as scored."""
    valid = load_split("valid")[:40]
    settings = cpu.settings(
        SFT_DEFAULTS, epochs=3, rank=4, learning_rate=1e-2
    )
    result = train_sft(
        cpu, load_split("train")[:64], settings, tmp_path, valid=valid
    )
    assert is_finished(tmp_path)
    scores = [score for _, score in result.valid_scores]
    assert len(scores) == len(result.valid_losses) == 3
    llm = LLM.from_pretrained("course", tmp_path, device="cpu")
    assert evaluate(llm, valid).accuracy.value == max(scores)


def test_a_model_of_the_shape_of_smollm2_goes_all_the_way(
    smollm2_shape: Any, smollm2_tokenizer: Any, tmp_path: Path
) -> None:
    base = tmp_path / "smol"
    smollm2_shape.save_pretrained(base)
    smollm2_tokenizer.save_pretrained(base)
    data = tmp_path / "data.json"
    pairs = [[q.text, q.answer] for q in load_split("train")[:4]]
    data.write_text(json.dumps(pairs))
    common = ["--model", str(base), "--device", "cpu"]
    train = [
        *(*common, "--valid", str(data), "--epochs", "1"),
        *("--rank", "2", "--batch-size", "2"),
    ]
    shown = succeed(
        *("sft", "--data", str(data), "--output", str(tmp_path / "sft")),
        *train,
    )
    assert "rows  4" in shown
    record = tmp_path / "rft.json"
    sampled = [*common, "--samples", "2", "--output", str(record)]
    shown = succeed("rollouts", "--data", str(data), *sampled)
    assert "4 questions x 2" in shown
    # Random weights are never right: reasoning is lent to them.
    write_text(json.dumps([[*pair, REASONING] for pair in pairs]), record)
    succeed(
        *("rft", "--data", str(record), "--output", str(tmp_path / "rft")),
        *train,
    )
    for stage in ("sft", "rft"):
        adapter = str(tmp_path / stage)
        graded = succeed(
            *("evaluate", "--data", str(data), "--adapter", adapter),
            *common,
        )
        assert "n = 4" in graded


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def succeed(*arguments: str) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.output)


def complaint(*arguments: str) -> str:
    """The one line that a command which makes no sense ends with."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    return str(result.stderr.splitlines()[-1])


def test_two_rounds_in_one_go(tmp_path: Path) -> None:
    """The second round samples from the first one's adapter, joins what
    both found, and trains from the base; done again it is the same."""
    data = tmp_path / "data.json"
    pairs = [[q.text, q.answer] for q in load_split("train")[:24]]
    data.write_text(json.dumps(pairs))
    output = tmp_path / "rft"
    command = [
        *("rft", "--rounds", "2", "--questions", str(data)),
        *("--samples", "3", "--valid", str(data), "--epochs", "1"),
        *("--output", str(output), "--device", "cpu"),
    ]
    shown = succeed(*command)
    assert shown.count("24 questions x 3") == 2
    first, second = (
        read_triples(output / f"triples-{n}.json") for n in (1, 2)
    )
    kept = merge_rounds([], read_rollouts(output / "rollouts-1.jsonl"), 2)
    assert first == kept
    assert merge_rounds(
        first, read_rollouts(output / "rollouts-2.jsonl"), 2
    ) == (second)
    head = (output / "rollouts-2.jsonl").read_text().splitlines()[0]
    assert json.loads(head)["adapter"] == str(output / "round-1")
    before = (output / ADAPTER_WEIGHTS).read_bytes()
    (output / ADAPTER_WEIGHTS).unlink()
    succeed(*command, "--resume")
    assert (output / ADAPTER_WEIGHTS).read_bytes() == before
    assert "--resume" in complaint(*command)


def test_join_keeps_the_older_paths_first() -> None:
    grams = Question("How many gram are there per 6 kg?", 6000.0)
    old = [(grams.text, 6000.0, REASONING)]
    assert merge_rounds(old, [], 1) == old
    assert merge_rounds([*old, *old], [], 3) == old
    other = (grams.text, 6000.0, "6 kg = 6 * 1000 g = 6000 g.")
    assert merge_rounds([*old, other], [], 2) == [*old, other]
    assert merge_rounds([*old, other], [], 1) == old
    shorter = "6 kg = 6000 g. <answer>6000</answer>"
    texts = [Generation(t, 9, True) for t in (shorter, REASONING)]
    new = grade_completions(grams, [grade(grams, text) for text in texts])
    assert [r.text for r in new.kept] == [shorter, REASONING]
    added = (grams.text, 6000.0, shorter)
    assert merge_rounds(old, [new], 1) == old
    assert merge_rounds(old, [new], 3) == [*old, added]
    assert merge_rounds([], [new], 1) == [added]


def test_statistics_of_rollouts(course: LLM, tmp_path: Path) -> None:
    from unitconv.training.rollouts import sample_rollouts

    path = tmp_path / "r.jsonl"
    records = sample_rollouts(
        course, load_split("valid")[:12], RolloutSettings(3), path
    )
    families = success_rate_by_family(records)
    assert sum(r.n for r in families.values()) == 12
    total = sum(r.successes for r in families.values())
    assert total == success_rate(records).successes > 0
    counted = outcome_counts(records)
    assert sum(counted.values()) == 36
    assert counted["kept"] == sum(len(r.kept) for r in records)


# ------------------------------------------------------------- bad requests


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sft", "--rank", "900"], "Take rank"),
        (["sft", "--data", "none.json"], "none.json"),
        (["sft", "--preset", "tpu"], "cpu, t4, ampere"),
        (["sft", "--resume"], "start without --resume"),
        (["rft", "--data", "none.json"], "none.json"),
        (["rollouts", "--policy", "best"], "distinct, random"),
    ],
)
def test_a_request_that_makes_no_sense(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    ending = ".json" if arguments[0] == "rollouts" else ""
    output = tmp_path / f"out{ending}"
    assert says in complaint(*arguments, "--output", str(output))
    assert not list(tmp_path.iterdir())


def test_rollouts_name_their_file(tmp_path: Path) -> None:
    assert ".json" in complaint("rollouts", "--output", str(tmp_path / "r"))
    lost = tmp_path / "no" / "r.json"
    assert "create it" in complaint("rollouts", "--output", str(lost))


def test_broken_triples_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "rft.json"
    path.write_text('[["q", 1, "r"],\n ["q", 1')
    line = complaint("rft", "--data", str(path), "-o", str(tmp_path / "o"))
    assert f"{path}: line 2" in line


def test_a_second_training_does_not_go_over_the_first(
    cpu: Any, tmp_path: Path
) -> None:
    settings = cpu.settings(RFT_DEFAULTS, epochs=1)
    triples = [("6 kg in g?", 6000.0, REASONING)] * 2
    valid = load_split("valid")[:2]
    train_rft(cpu, triples, settings, tmp_path, valid=valid)
    before = (tmp_path / ADAPTER_WEIGHTS).read_bytes()
    with pytest.raises(TrainingError, match="holds a training already"):
        train_rft(cpu, triples, settings, tmp_path, valid=valid)
    assert (tmp_path / ADAPTER_WEIGHTS).read_bytes() == before


def test_a_full_disk_leaves_no_adapter(
    make_model: Callable[..., Any], tmp_path: Path
) -> None:
    """A process whose files may not grow: it fails, and says so."""
    data = tmp_path / "data.json"
    data.write_text('[["6 kg in g?", 6000]]')
    code = (
        "import resource, signal, sys;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        "from unitconv.cli import app; app(sys.argv[1:])"
    )
    output = tmp_path / "sft"
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, "sft", "--device", "cpu"),
            *("--data", str(data), "--valid", str(data)),
            *("--epochs", "1", "--output", str(output)),
        ],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    assert "unitconv: " in done.stderr.splitlines()[-1]
    assert not is_finished(output)


def test_an_adapter_of_the_wrong_base_is_refused(
    cpu: Any, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    triples = [("6 kg in g?", 6000.0, REASONING)] * 2
    valid = load_split("valid")[:2]
    train_rft(
        cpu,
        triples,
        cpu.settings(RFT_DEFAULTS, epochs=1),
        tmp_path,
        valid=valid,
    )
    with pytest.raises(ValueError, match="does not fit this model"):
        load_adapter(make_model(), tmp_path)
    with torch.inference_mode():
        assert load_adapter(cpu.load()[0], tmp_path)
