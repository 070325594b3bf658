"""Online RL, from a base model and questions to an adapter.

Several processes share the sampling and the updates; the first one writes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

from torch import nn
from torch.utils.tensorboard import SummaryWriter

from unitconv.common import distributed
from unitconv.common.files.json_lines import append_lines
from unitconv.common.io import digest
from unitconv.inference.llm import LLM, default_prompt
from unitconv.inference.load.adapter import load_adapter, trained_prompt
from unitconv.task.dataset import Question
from unitconv.training.config import TrainingRun
from unitconv.training.lora import (
    add_lora,
    check_budget,
    enable_checkpointing,
    save_adapter,
)
from unitconv.training.pipelines import Base, probe_on
from unitconv.training.rl.checkpoint import (
    Progress,
    resume,
    save_checkpoint,
    set_weights,
    trainable,
)
from unitconv.training.rl.config import RLSettings
from unitconv.training.rl.loop import Metrics, make_optimizer, train
from unitconv.training.rl.reward import Reward, name_of, right_reasoning
from unitconv.training.rl.rollout import pick_questions
from unitconv.training.trainer import begin_run

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

#: Every rollout of a run, in its folder; `read_groups` reads it.
RECORD = "rollouts.jsonl"


@dataclass(frozen=True)
class RLData:
    """Questions to learn from and to validate on, and the reward."""

    train: Sequence[Question]
    valid: Sequence[Question]
    reward: Reward = right_reasoning


def train_rl(
    base: Base,
    data: RLData,
    settings: RLSettings,
    run: TrainingRun,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train a LoRA adapter by online RL; keep the most accurate on `valid`.

    Args:
        base: the model to start from, or that of `settings.adapter`.
        data: questions and reward.
        settings: of the run.
        run: folder; all rollouts are recorded there.
        report: called before the first step, and after every one.

    Raises:
        ContextError: a prompt is longer than the context.
        ModelError: the adapter to start from is none, or of another base.
        TrainingError: settings, rewards or a folder that cannot be used.
        LockError: another process is training in the folder.
    """
    if base.preset.dtype == "float16":  # its gradients need loss scaling
        base = replace(base, preset=replace(base.preset, dtype="float32"))
    llm, settings = _load_llm(base, settings)
    wrapped = cast("PeftModel", llm.model)
    # What cannot be sampled is refused before anything is written.
    pick_questions(data.train, settings.questions, 0, settings.seed)
    questions = [*data.train, *data.valid]
    llm.encode_all([llm.format_prompt(q.text) for q in questions])
    content = {
        "prompt": llm.style,
        "reward": name_of(data.reward),
        "rows": digest([(q.text, q.answer) for q in questions]),
    }
    weights_name = str(wrapped.get_base_model().weights_name)
    run = replace(run, base_name=weights_name)
    with begin_run(run, asdict(settings) | base.task.entry | content):
        progress = _train(llm, data, settings, run, report)
        if distributed.is_main_process():
            save_adapter(wrapped, run)
    return progress


def _load_llm(base: Base, settings: RLSettings) -> tuple[LLM, RLSettings]:
    """Load the base with its adapter, and the settings of the adapter."""
    model, tokenizer = base.load()
    start = settings.adapter
    style = (
        trained_prompt(start) if start else default_prompt(model, base.task)
    )
    wrapped, settings = _with_adapter(model, settings)
    llm = LLM(
        cast("PreTrainedModel", wrapped),
        tokenizer,
        settings.prompt or style,
        base.name,
        task=base.task,
    )
    return llm, settings


def _with_adapter(
    model: PreTrainedModel, settings: RLSettings
) -> tuple[PeftModel, RLSettings]:
    """Add a new adapter, or load the one to start from, without dropout."""
    if settings.adapter is None:
        check_budget(model, settings)
        return add_lora(model, settings), settings
    loaded = cast("PeftModel", load_adapter(model, settings.adapter))
    for name, parameter in loaded.named_parameters():
        parameter.requires_grad_("lora_" in name)
    for module in loaded.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if settings.gradient_checkpointing:
        enable_checkpointing(loaded)
    config = cast("LoraConfig", loaded.peft_config["default"])
    rank, alpha = config.r, config.lora_alpha
    return loaded, replace(settings, rank=rank, alpha=alpha)


def _train(
    llm: LLM,
    data: RLData,
    settings: RLSettings,
    run: TrainingRun,
    report: Callable[[Progress], None],
) -> Progress:
    """Train and validate; leave the best weights in the model."""
    folder, record = run.checkpoints, run.folder / RECORD
    model = llm.model
    optimizer = make_optimizer(model, settings)
    progress, best = resume(folder, model, optimizer)
    distributed.barrier()  # every process has read before one writes
    if is_writer := distributed.is_main_process():
        record.touch()
        os.truncate(record, progress.record_bytes)  # sampled again
    start = time.perf_counter() - progress.seconds
    probe = probe_on(data.valid, llm.tokenizer, llm.style, llm.task)

    def validate() -> None:
        nonlocal best
        scores = probe(model)
        _log(board, "valid", scores, progress.step)
        highest = max((s for _, s in progress.valid_scores), default=-1.0)
        progress.valid_scores.append((progress.step, scores["score"]))
        if scores["score"] > highest:
            progress.best_step = progress.step
            best = {n: t.clone() for n, t in trainable(model).items()}
        progress.seconds = time.perf_counter() - start
        if is_writer:
            save_checkpoint(folder, model, optimizer, progress, best)

    with _tensorboard(run, progress.step) as board:
        if not progress.valid_scores:
            validate()
            report(progress)
        for groups, metrics in train(
            llm, data.train, settings, optimizer, progress.step, data.reward
        ):
            if is_writer:
                append_lines(record, map(asdict, groups))
                progress.record_bytes = record.stat().st_size
            progress.step = step = metrics.step
            progress.history.append(metrics)
            _log(board, "train", _values(metrics), step)
            if step == settings.steps or step % settings.valid_every == 0:
                validate()
            report(progress)
    set_weights(model, best)
    return progress


@contextmanager
def _tensorboard(
    run: TrainingRun, step: int
) -> Iterator[SummaryWriter | None]:
    """Open the log; a resumed run replaces what came after `step`.

    It is None in all processes but the first.
    """
    if not distributed.is_main_process():
        yield None
        return
    folder = str(run.checkpoints / "runs")
    with SummaryWriter(folder, purge_step=step + 1) as writer:
        yield writer


def _values(metrics: Metrics) -> dict[str, float | None]:
    values = asdict(metrics)
    del values["step"]
    return values | values.pop("update")


def _log(
    board: SummaryWriter | None,
    group: str,
    values: Mapping[str, float | None],
    step: int,
) -> None:
    for name, value in values.items():
        if board and value is not None:
            board.add_scalar(f"{group}/{name}", value, step)
