"""Whole runs of online RL: resuming, the best step, the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from tests.faults import damage
from unitconv.cli import app
from unitconv.common import checkpoint
from unitconv.evaluation.grade import Graded
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS
from unitconv.task.dataset import load_split
from unitconv.training.config import TrainingError, TrainingRun
from unitconv.training.pipelines import Base, pick_base
from unitconv.training.rl import pipeline
from unitconv.training.rl.checkpoint import Progress, resume, trainable
from unitconv.training.rl.config import RLSettings
from unitconv.training.rl.pipeline import RECORD, RLData, train_rl
from unitconv.training.rl.rollout import read_groups
from unitconv.training.rollouts import RolloutError

SETTINGS = RLSettings(
    epochs=1,
    learning_rate=1e-2,
    max_adapter_mb=50.0,
    rank=4,
    alpha=8,
    steps=4,
    questions=3,
    samples=4,
    max_new_tokens=4,
    valid_every=2,
    prompt="raw",
)
OUTPUTS = (ADAPTER_WEIGHTS, RECORD)


class Killed(BaseException):
    """Stands for `kill -9`: nothing in the library catches it."""


def even(graded: Graded) -> float:
    return float(ord(graded.text[0]) % 2 == 0) if graded.text else 0.0


@pytest.fixture(scope="module")
def data() -> RLData:
    questions = load_split("train")[:10]
    return RLData(questions, load_split("valid")[:2], even)


@pytest.fixture(scope="module")
def base(model_folder: Path) -> Base:
    return pick_base(str(model_folder), "cpu", "cpu")


@pytest.fixture(scope="module")
def whole(
    base: Base, data: RLData, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of an uninterrupted run, whose last step is the best."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        rising_scores(patch)
        train_rl(base, data, SETTINGS, TrainingRun(folder))
    return folder


def rising_scores(
    patch: pytest.MonkeyPatch, scores: tuple[float, ...] = (0.1, 0.2, 0.3)
) -> list[dict[str, torch.Tensor]]:
    """Give these scores; return the weights that they were given to."""
    seen: list[dict[str, torch.Tensor]] = []
    rest: Iterator[float] = iter(scores)

    def probe(model: Any) -> dict[str, float]:
        weights = trainable(model).items()
        seen.append({name: value.clone() for name, value in weights})
        return {"score": next(rest)}

    patch.setattr(pipeline, "probe_on", lambda *_: probe)
    return seen


def kill_at(step: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.step == step:
            raise Killed

    return report


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_killed_run_resumes_to_the_same_bytes(
    base: Base,
    data: RLData,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    rising_scores(monkeypatch)
    run = TrainingRun(tmp_path)
    with pytest.raises(Killed):
        train_rl(base, data, SETTINGS, run, kill_at(step))
    assert not (tmp_path / ADAPTER_WEIGHTS).exists()
    rising_scores(monkeypatch, (0.2, 0.3) if step < 2 else (0.3,))
    resumed = replace(run, resume=True)
    progress = train_rl(base, data, SETTINGS, resumed)
    assert progress.valid_scores == [(0, 0.1), (2, 0.2), (4, 0.3)]
    assert [m.step for m in progress.history] == [1, 2, 3, 4]
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def test_a_kill_within_a_checkpoint_leaves_the_one_before(
    base: Base,
    data: RLData,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rising_scores(monkeypatch)
    save, calls = checkpoint.save_file, iter(range(99))

    def killed(tensors: Any, path: Path) -> None:
        save(tensors, path)
        if next(calls) == 4:  # the second file of the second checkpoint
            raise Killed

    run = TrainingRun(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_file", killed)
        with pytest.raises(Killed):
            train_rl(base, data, SETTINGS, run)
    rising_scores(monkeypatch, (0.2, 0.3))
    train_rl(base, data, SETTINGS, replace(run, resume=True))
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def test_the_best_step_is_kept_and_every_rollout_recorded(
    base: Base,
    data: RLData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = rising_scores(monkeypatch, (0.1, 0.5, 0.5))
    progress = train_rl(base, data, SETTINGS, TrainingRun(tmp_path))
    assert progress.best_step == 2
    first, kept, last = (sorted(map(str, w.items())) for w in seen)
    assert first != kept != last
    stored = load_file(tmp_path / ADAPTER_WEIGHTS)
    for name, value in seen[1].items():
        assert torch.equal(stored[name.replace(".default", "")], value)
    groups = read_groups(tmp_path / RECORD)
    steps = [group.step for group in groups]
    assert steps == [step for step in range(4) for _ in range(3)]
    rewards = [r.reward for group in groups[:3] for r in group.replies]
    assert progress.history[0].reward == sum(rewards) / 12
    log = tmp_path / "checkpoints" / "runs"
    assert any(log.glob("events.out.tfevents.*"))

    (tmp_path / RECORD).write_text('{"step": 1}\n')
    with pytest.raises(RolloutError, match="line 1"):
        read_groups(tmp_path / RECORD)


@pytest.mark.parametrize("state", ["[]", '{"step": "one"}', "{"])
def test_a_broken_checkpoint_is_named(state: str, tmp_path: Path) -> None:
    (tmp_path / "step-000001").mkdir()
    (tmp_path / "step-000001" / "state.json").write_text(state)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(TrainingError, match=r"state\.json: "):
        resume(tmp_path, model, optimizer)


RL_FILES = ("adapter", "best", "optimizer")


@pytest.mark.parametrize("how", ["missing", "truncated", "overwritten"])
@pytest.mark.parametrize("name", RL_FILES)
def test_a_broken_file_of_a_checkpoint_is_named(
    base: Base,
    data: RLData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    how: str,
) -> None:
    rising_scores(monkeypatch)
    run = TrainingRun(tmp_path)
    with pytest.raises(Killed):
        train_rl(base, data, SETTINGS, run, kill_at(2))
    path = tmp_path / "checkpoints" / "step-000002" / f"{name}.safetensors"
    damage(path, how)
    with pytest.raises(TrainingError) as caught:
        train_rl(base, data, SETTINGS, replace(run, resume=True))
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be read (")
    assert message.endswith(
        f"Delete {path.parent}: there is none before it, so start again"
    )


def test_what_cannot_run_is_refused_before_anything_is_written(
    base: Base, data: RLData, whole: Path, tmp_path: Path
) -> None:
    new = TrainingRun(tmp_path / "new")
    with pytest.raises(TrainingError, match="lower --questions"):
        train_rl(base, data, replace(SETTINGS, questions=11), new)
    with pytest.raises(ValueError, match=r"prompt 1: .* context"):
        train_rl(base, data, replace(SETTINGS, prompt="cot"), new)
    assert not new.folder.exists()
    before = (whole / ADAPTER_WEIGHTS).read_bytes()
    with pytest.raises(TrainingError, match="holds a training already"):
        train_rl(base, data, SETTINGS, TrainingRun(whole))
    other = replace(SETTINGS, temperature=0.9)
    with pytest.raises(TrainingError, match=r"settings \(temperature\)"):
        train_rl(base, data, other, TrainingRun(whole, resume=True))
    assert (whole / ADAPTER_WEIGHTS).read_bytes() == before


@pytest.mark.slow
def test_the_command_goes_on_from_an_adapter(tmp_path: Path) -> None:
    data, output = tmp_path / "data.json", tmp_path / "rl"
    pairs = [[q.text, q.answer] for q in load_split("train")[:6]]
    data.write_text(json.dumps(pairs))
    command = [
        *["rl", f"--output={output}", f"--data={data}", f"--valid={data}"],
        *["--adapter=rft", "--steps=2", "--questions=2", "--samples=2"],
        *["--loss=raft", "--valid-every=1", "--device=cpu", "--seed=3"],
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    lines = [s for s in result.stderr.splitlines() if "reward" in s]
    assert len(lines) == 2
    assert f"--adapter {output}" in result.stdout
    settings = json.loads((output / "run.json").read_text())
    assert settings["adapter"] == "rft"
    assert settings["prompt"] == "raw"
    assert settings["loss"] == "raft"
    # The prompt of the training is the default of its adapter.
    assert (
        LLM.from_pretrained("course", output, device="cpu").style == "raw"
    )
    assert settings["reward"] == "reasoning"
    again = CliRunner().invoke(app, [*command, "--rank=3"])
    assert again.exit_code == 2
    assert "--rank is that of --adapter" in again.stderr


@pytest.mark.slow
def test_the_command_learns_another_task_with_another_reward(
    tmp_path: Path,
) -> None:
    output = tmp_path / "rl"
    data = tmp_path / "data.json"
    pairs = [[f"What is {n} * 12?", 12 * n] for n in (3, 4, 5, 6)]
    data.write_text(json.dumps(pairs))
    command = [
        *["rl", f"--output={output}", "--task=multiplication"],
        *[f"--data={data}", f"--valid={data}", "--reward=answer"],
        *["--steps=1", "--questions=4", "--samples=4", "--device=cpu"],
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "--task multiplication" in result.stdout
    settings = json.loads((output / "run.json").read_text())
    assert settings["task"] == "multiplication"
    assert settings["reward"] == "answer"
    replies = [r for g in read_groups(output / RECORD) for r in g.replies]
    right = [r.reason != "wrong answer" for r in replies if r.reward]
    assert right
    assert all(right)
