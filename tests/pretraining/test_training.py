"""Tokenizer, training loop, checkpoints, and the exported model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from typer.testing import CliRunner

from tests.faults import damage
from unitconv.cli import app
from unitconv.common.errors import UnitconvError
from unitconv.common.files.lock_file import locked
from unitconv.inference.load.model import COURSE_MODEL, is_course_model
from unitconv.pretraining.checkpoint import (
    ResumeError,
    TrainingProgress,
    load_weights,
)
from unitconv.pretraining.config import PRESETS
from unitconv.pretraining.model_card import record_results
from unitconv.pretraining.tokenizer import (
    DEFAULT_SYSTEM,
    SPECIAL_TOKENS,
    train_tokenizer,
)
from unitconv.pretraining.train import (
    learning_rate_factor,
    make_model,
    make_tokenizer,
    train,
)

TINY = PRESETS["tiny"]
Run = tuple[PreTrainedModel, PreTrainedTokenizerBase, TrainingProgress]


def test_every_digit_is_a_token(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = tokenizer.encode("907.2 kg is 31560000 g")
    tokens = tokenizer.convert_ids_to_tokens(ids)
    digits = [token for token in tokens if any(c.isdigit() for c in token)]
    assert len(digits) == 12
    assert {len(token) for token in digits} == {1}


@settings(max_examples=30)
@given(st.text(max_size=60))
def test_decoding_inverts_encoding(
    tokenizer: PreTrainedTokenizerBase, text: str
) -> None:
    if not any(special in text for special in SPECIAL_TOKENS):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_and_template_are_those_of_chatml(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert {len(tokenizer.encode(t)) for t in SPECIAL_TOKENS} == {1}
    user = {"role": "user", "content": "6 km -> m"}
    text = tokenizer.apply_chat_template(
        [user], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
        "<|im_start|>user\n6 km -> m<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_vocabulary_smaller_than_the_bytes_is_refused() -> None:
    with pytest.raises(UnitconvError, match="256 bytes"):
        train_tokenizer(["a"], vocab_size=100, max_length=64)


def test_the_learning_rate_warms_up_and_decays() -> None:
    config = replace(TINY, steps=100, warmup_steps=10, decay_share=0.4)
    factors = [learning_rate_factor(step, config) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:60] == pytest.approx([1.0] * 51)
    assert factors[-1] == pytest.approx(config.final_lr_share)
    assert all(a > b for a, b in pairwise(factors[60:]))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole")
    tokenizer = make_tokenizer(TINY)
    model = make_model(TINY, tokenizer)
    return model, tokenizer, train(TINY, model, tokenizer, folder)


class InterruptedRunError(Exception):
    pass


def test_a_resumed_run_equals_an_uninterrupted_one(
    whole_run: Run, tmp_path: Path
) -> None:
    model, tokenizer, progress = whole_run
    assert progress.step == len(progress.losses) == TINY.steps
    assert sum(progress.losses[-3:]) < sum(progress.losses[:3]) - 1

    def stop_at_13(progress: TrainingProgress) -> None:
        if progress.step == 13:
            raise InterruptedRunError

    first = make_model(TINY, tokenizer)
    with pytest.raises(InterruptedRunError):
        train(TINY, first, tokenizer, tmp_path, on_step=stop_at_13)
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-000010"]

    resumed = make_model(replace(TINY, seed=1), tokenizer)
    again = train(TINY, resumed, tokenizer, tmp_path, resume=True)
    assert again.losses == progress.losses
    for a, b in zip(resumed.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_resuming_needs_a_checkpoint_of_the_same_run(
    whole_run: Run, tmp_path: Path
) -> None:
    _, tokenizer, _ = whole_run
    model = make_model(TINY, tokenizer)
    with pytest.raises(ResumeError, match="no checkpoint"):
        train(TINY, model, tokenizer, tmp_path / "none", resume=True)
    short = replace(TINY, steps=2, checkpoint_every=1)
    train(replace(short, keep_checkpoints=True), model, tokenizer, tmp_path)
    assert len(list(tmp_path.glob("step-*"))) == 2
    other = replace(TINY, muon_lr=0.5)
    with pytest.raises(ResumeError, match=r"\(muon_lr, steps\)"):
        train(other, model, tokenizer, tmp_path, resume=True)
    wider = make_model(replace(TINY, hidden_size=64), tokenizer)
    with pytest.raises(ResumeError, match="another model"):
        load_weights(tmp_path / "step-000002", wider)


FILES = ("state.json", "model.safetensors", "optimizer.safetensors")


@pytest.mark.parametrize("how", ["missing", "truncated", "overwritten"])
@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_of_a_checkpoint_is_named(
    whole_run: Run, tmp_path: Path, name: str, how: str
) -> None:
    _, tokenizer, _ = whole_run
    kept = replace(TINY, steps=2, checkpoint_every=1, keep_checkpoints=True)
    train(kept, make_model(TINY, tokenizer), tokenizer, tmp_path)
    model = make_model(TINY, tokenizer)
    last = tmp_path / "step-000002"
    damage(last / name, how)
    with pytest.raises(ResumeError) as caught:
        train(kept, model, tokenizer, tmp_path, resume=True)
    message = str(caught.value)
    assert message.startswith(f"{last / name}: ")
    then = f"Delete {last}: --resume then goes on from step-000001"
    assert message.endswith(then)
    shutil.rmtree(last)
    progress = train(kept, model, tokenizer, tmp_path, resume=True)
    assert progress.step == 2


def test_two_pretrainings_in_one_folder(tmp_path: Path) -> None:
    command = ["pretrain", str(tmp_path / "model"), "--preset", "tiny"]
    with locked(tmp_path / "model"):
        run = CliRunner().invoke(app, command)
    assert run.exit_code == 2
    assert "model is being written by the process" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_trains_a_model_that_auto_classes_load(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "model"
    options = ["--preset", "tiny", "--steps", "3"]
    run = CliRunner().invoke(app, ["pretrain", str(folder), *options])
    assert run.exit_code == 0, run.output
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert is_course_model(str(folder))
    ids = tokenizer("6 km", return_tensors="pt").input_ids
    assert model(ids).logits.shape == (1, ids.shape[1], TINY.vocab_size)
    record = json.loads((folder / "training.json").read_text())
    assert len(record["losses"]) == record["steps"] == 3
    assert f"{record['tokens']:,}" in (folder / "README.md").read_text()


RATES: dict[str, Any] = {
    "n": 10,
    "accuracy": 0.5,
    "accuracy_ci95": [0.2366, 0.7634],
    "answer_rate": 1.0,
    "answer_rate_ci95": [0.7225, 1.0],
    "reasoning_validity": None,
    "reasoning_validity_ci95": [None, None],
    "by_quantity": {
        "1 to 12": {"n": 4, "accuracy": 0.75, "accuracy_ci95": [0.3, 0.95]}
    },
}
IMITATION = {"n": 20, "imitated": 0.95, "imitated_ci95": [0.76, 0.99]}
ROLLOUTS: dict[str, Any] = {
    "n": 7,
    "at_least_one_right_and_audited": 0.857,
    "at_least_one_right_and_audited_ci95": [0.49, 0.97],
    "run": {"num_return_sequences": 10, "decoding": {"temperature": 0.8}},
}


def test_the_card_contains_the_recorded_results(tmp_path: Path) -> None:
    for name in ("training.json", "README.md"):
        (tmp_path / name).write_bytes((COURSE_MODEL / name).read_bytes())
    measured = {"data": "test", "cot": RATES, "rollouts": ROLLOUTS}
    record_results(tmp_path, measured | {"wrapper [[{v}]]": IMITATION})
    run = {"data": "test_hard", "prompt": "cot"}
    record_results(tmp_path, RATES | {"run": run, "rows": [1]})
    card = (tmp_path / "README.md").read_text()
    row = "one worked example (CoT) | 10 | 0.500 [0.237, 0.763] | 1.000"
    assert f"| test | {row}" in card
    assert f"| test_hard | {row}" in card
    assert "| test | 1 to 12 | 4 | 0.750 [0.300, 0.950] |" in card
    assert "Shown `[[...]]` by the worked example alone, 0.950" in card
    assert "0.857 [0.490, 0.970] had a completion" in card
    assert "rows" not in (tmp_path / "results.json").read_text()


@pytest.mark.parametrize(
    ("report", "error"),
    [
        ({}, "not a report"),
        (RATES | {"run": {"data": "test", "adapter": "a"}}, "an adapter"),
    ],
)
def test_other_reports_are_refused(
    tmp_path: Path, report: dict[str, Any], error: str
) -> None:
    with pytest.raises(UnitconvError, match=error):
        record_results(tmp_path, report)
    assert not list(tmp_path.iterdir())
