"""Fine-tuning with `Trainer`: the adapter alone learns, and a killed run
resumes to the bytes of an uninterrupted one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftConfig
from safetensors import SafetensorError
from transformers import TrainerCallback, TrainerState

from tests.faults import damage
from unitconv.common.files.lock_file import LockError, locked
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS, load_adapter
from unitconv.inference.load.errors import ModelError
from unitconv.task.dataset import load_split
from unitconv.training import trainer
from unitconv.training.config import (
    TrainingError,
    TrainingRun,
    TrainingSettings,
)
from unitconv.training.examples import sft_examples
from unitconv.training.lora import lora_parameters
from unitconv.training.trainer import (
    TrainingData,
    TrainingResult,
    fine_tune,
)

SETTINGS = TrainingSettings(
    rank=4,
    alpha=8,
    dropout=0.1,
    epochs=3,
    batch_size=8,
    learning_rate=1e-2,
    max_adapter_mb=50.0,
    shuffle_batches=True,
)

FineTune = Callable[..., TrainingResult]


@pytest.fixture(scope="module")
def data(byte_tokenizer: Any) -> TrainingData:
    return TrainingData(
        sft_examples(load_split("train")[:24], byte_tokenizer),
        sft_examples(load_split("valid")[:8], byte_tokenizer),
    )


@pytest.fixture(scope="module")
def tune(
    make_model: Callable[..., Any], byte_tokenizer: Any, data: TrainingData
) -> FineTune:
    """Fine-tune a fresh tiny model."""

    def run(
        folder: Path,
        settings: TrainingSettings = SETTINGS,
        data: TrainingData = data,
        **options: Any,
    ) -> TrainingResult:
        run = TrainingRun(folder, **options)
        return fine_tune(make_model(), byte_tokenizer, data, settings, run)

    return run


def test_only_the_adapter_learns(
    make_model: Callable[..., Any],
    byte_tokenizer: Any,
    data: TrainingData,
    tmp_path: Path,
) -> None:
    base, twin = make_model(), make_model()
    before = {n: p.clone() for n, p in base.named_parameters()}
    result = fine_tune(
        base, byte_tokenizer, data, SETTINGS, TrainingRun(tmp_path)
    )
    assert result.losses[-1][1] < result.losses[0][1]
    assert result.n_trainable == lora_parameters(twin, SETTINGS.rank)
    for name, value in base.named_parameters():
        if "lora_" in name:
            assert value.dtype == torch.float32
            assert value.abs().max() > 0, name
        else:
            original = before[name.replace(".base_layer", "")]
            assert torch.equal(value, original), name

    loaded = load_adapter(twin, tmp_path)
    ids = torch.arange(1, 20)[None]
    with torch.inference_mode():
        expected = base.eval()(ids).logits
        # Attention of another kind: with torch 2.15, 2e-5 lie between.
        assert torch.allclose(loaded(ids).logits, expected, atol=1e-4)
        merged = loaded.merge_and_unload()(ids).logits
        assert torch.allclose(merged, expected, atol=1e-4)
    with pytest.raises(ModelError, match="does not fit this model"):
        load_adapter(make_model(hidden_size=32), tmp_path)


def test_an_adapter_names_model_and_commit_as_peft_does(
    tune: FineTune, tmp_path: Path
) -> None:
    tune(tmp_path, base_name=f"owner/model@{'0f' * 20}")
    config = PeftConfig.from_pretrained(str(tmp_path))
    assert config.base_model_name_or_path == "owner/model"
    assert config.revision == "0f" * 20


class Killed(BaseException):
    """Stands for `kill -9`: nothing in the library catches it."""


class KillAt(TrainerCallback):
    """Raises `Killed` at an event and step; an epoch has three steps."""

    def __init__(self, event: str, step: int) -> None:
        def kill(args: Any, state: Any, *_: Any, **__: Any) -> None:
            if state.global_step == step:
                raise Killed

        setattr(self, event, kill)


def kill_in_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill while the second checkpoint's last file is written."""
    save = TrainerState.save_to_json

    def killed(self: TrainerState, path: str) -> None:
        save(self, path)
        if "checkpoint-6" in path:
            os.truncate(path, 100)
            raise Killed

    monkeypatch.setattr(TrainerState, "save_to_json", killed)


def kill_in_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill while the finished adapter is written."""

    def killed(wrapped: Any, run: TrainingRun) -> None:
        wrapped.save_pretrained(str(run.folder / "unfinished"))
        os.truncate(run.folder / "unfinished" / ADAPTER_WEIGHTS, 100)
        raise Killed

    monkeypatch.setattr(trainer, "save_adapter", killed)


@pytest.fixture(scope="module")
def uninterrupted(
    tune: FineTune, tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    return tune(tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize(
    ("event", "step"),
    [
        ("on_train_begin", 0),
        ("on_step_end", 1),
        ("on_save", 3),
        ("on_step_begin", 4),
        ("on_evaluate", 6),
        ("on_train_end", 9),
    ],
)
def test_a_killed_training_resumes_to_the_same_bytes(
    tune: FineTune,
    uninterrupted: TrainingResult,
    tmp_path: Path,
    event: str,
    step: int,
) -> None:
    with pytest.raises(Killed):
        tune(tmp_path, callbacks=[KillAt(event, step)])
    assert_resumes(tune, tmp_path, uninterrupted)


@pytest.mark.parametrize("fault", [kill_in_state, kill_in_saving])
def test_a_kill_in_the_middle_of_a_file_loses_nothing(
    tune: FineTune,
    uninterrupted: TrainingResult,
    tmp_path: Path,
    fault: Callable[[pytest.MonkeyPatch], None],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        with pytest.raises(Killed):
            tune(tmp_path)
    assert_resumes(tune, tmp_path, uninterrupted)


def assert_resumes(
    tune: FineTune, folder: Path, expected: TrainingResult
) -> None:
    assert not (folder / ADAPTER_WEIGHTS).exists()
    resumed = tune(folder, resume=True)
    assert resumed.valid_losses == expected.valid_losses
    weights = (folder / ADAPTER_WEIGHTS).read_bytes()
    assert weights == (expected.folder / ADAPTER_WEIGHTS).read_bytes()


def test_other_settings_do_not_resume(
    tune: FineTune, data: TrainingData, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="start without --resume"):
        tune(tmp_path, resume=True)
    one = replace(SETTINGS, epochs=1)
    tune(tmp_path, one)
    with pytest.raises(TrainingError, match="epochs"):
        tune(tmp_path, resume=True)
    fewer = TrainingData(data.train[1:], data.valid)
    with pytest.raises(TrainingError, match="n_rows, rows"):
        tune(tmp_path, one, fewer, resume=True)
    before = (tmp_path / ADAPTER_WEIGHTS).read_bytes()
    with pytest.raises(TrainingError, match="holds a training already"):
        tune(tmp_path, one)
    assert (tmp_path / ADAPTER_WEIGHTS).read_bytes() == before


def test_what_cannot_be_trained_is_refused_before_it_begins(
    tune: FineTune, data: TrainingData, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="MB allowed"):
        tune(tmp_path, replace(SETTINGS, max_adapter_mb=1e-3))
    with pytest.raises(TrainingError, match="no examples"):
        tune(tmp_path, data=TrainingData([], data.valid))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (
            "peft.peft_model.safe_save_file",
            SafetensorError("I/O error: No space left on device"),
        ),
        (
            "torch.save",
            RuntimeError("[enforce fail at inline_container.cc:672] . "),
        ),
        ("torch.save", OSError(28, "No space left on device")),
    ],
)
def test_a_full_disk_leaves_no_adapter(
    tune: FineTune,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    error: Exception,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(function, full)
    with pytest.raises(OSError, match=r"disk full|No space") as caught:
        tune(tmp_path, replace(SETTINGS, epochs=1))
    assert caught.value.filename == str(tmp_path)
    assert not (tmp_path / ADAPTER_WEIGHTS).exists()


def test_two_trainings_in_one_folder(
    tune: FineTune, tmp_path: Path
) -> None:
    with (
        locked(tmp_path / "run"),
        pytest.raises(LockError, match="run is being written by the"),
    ):
        tune(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_record_of_a_training_is_named(
    tune: FineTune, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(TrainingError, match=r"run\.json: expected a JSON"):
        tune(tmp_path, resume=True)


FILES = (
    ADAPTER_WEIGHTS,
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
)


@pytest.mark.parametrize("how", ["missing", "truncated", "overwritten"])
@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_of_a_checkpoint_is_named(
    tune: FineTune,
    uninterrupted: TrainingResult,
    tmp_path: Path,
    name: str,
    how: str,
) -> None:
    with pytest.raises(Killed):
        tune(tmp_path, callbacks=[KillAt("on_step_begin", 7)])
    last = tmp_path / "checkpoints" / "checkpoint-6"
    damage(last / name, how)
    with pytest.raises(TrainingError) as caught:
        tune(tmp_path, resume=True)
    message = str(caught.value)
    assert message.startswith(f"{last / name}: cannot be read (")
    assert f"Delete {last}: --resume then goes on from" in message
    shutil.rmtree(last)
    assert_resumes(tune, tmp_path, uninterrupted)


def test_the_last_checkpoint_needs_the_best(
    tune: FineTune, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        tune(tmp_path, callbacks=[KillAt("on_step_begin", 7)])
    last = tmp_path / "checkpoints" / "checkpoint-6"
    state = last / "trainer_state.json"
    best = last.with_name("checkpoint-3")
    content = json.loads(state.read_text())
    content["best_model_checkpoint"] = str(best)
    state.write_text(json.dumps(content))
    (best / ADAPTER_WEIGHTS).unlink()
    with pytest.raises(TrainingError, match=r"checkpoint-3/.*\(missing\)"):
        tune(tmp_path, resume=True)
    shutil.rmtree(last)
    with pytest.raises(TrainingError, match="there is none before it"):
        tune(tmp_path, resume=True)
