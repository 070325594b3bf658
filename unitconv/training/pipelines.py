"""SFT and RFT, from a base model and data to an adapter.

Every run loads its base anew: no earlier adapter is left in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unitconv.evaluation.breakdown import by_difficulty, by_product
from unitconv.evaluation.evaluate import evaluate
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS
from unitconv.inference.load.device import pick_device, pick_dtype
from unitconv.inference.load.model import is_course_model, load_model
from unitconv.task.dataset import Question
from unitconv.training import config
from unitconv.training.config import (
    TrainingError,
    TrainingRun,
    TrainingSettings,
)
from unitconv.training.examples import (
    ReasoningExample,
    reference_triples,
    rft_examples,
    sft_examples,
)
from unitconv.training.trainer import (
    Probe,
    TrainingData,
    TrainingResult,
    fine_tune,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Base:
    """A base model by name, and how it is trained.

    `prompt` is the prompt style that the training examples begin with.
    """

    name: str
    device: torch.device
    preset: config.HardwarePreset
    task: Task = UNIT_CONVERSION
    prompt: str = "raw"

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Load a fresh model and its tokenizer."""
        dtype = pick_dtype(self.device, self.preset.dtype)
        return load_model(self.name, self.device, dtype)

    def settings(
        self, recipe: config.Recipe, **overrides: Any
    ) -> TrainingSettings:
        """Combine a recipe, the hardware preset and overrides.

        An override of None counts as not given. A rank given alone keeps
        LoRA's scale, alpha / rank.
        """
        given = {k: v for k, v in overrides.items() if v is not None}
        checkpointing = self.preset.gradient_checkpointing
        values = {
            **asdict(recipe),
            "gradient_checkpointing": checkpointing,
            **given,
        }
        values.setdefault("alpha", 2 * values["rank"])
        return TrainingSettings(**values)

    @property
    def recipes(self) -> config.Recipes:
        """Recipes that were measured with this kind of model."""
        if is_course_model(self.name):
            return config.COURSE_RECIPES
        return config.SMOLLM2_RECIPES


def pick_base(
    name: str = "course",
    device: str | None = None,
    preset: str | None = None,
    task: Task = UNIT_CONVERSION,
) -> Base:
    """Choose device and hardware preset for a base model.

    Raises:
        ModelError: this machine does not have the device.
        TrainingError: unknown preset.
    """
    chosen = pick_device(device)
    if preset is None:
        default = config.pick_hardware_preset(chosen)
        return Base(name, chosen, default, task)
    presets = config.HARDWARE_PRESETS
    if preset not in presets:
        raise config.TrainingError(
            f"unknown preset {preset!r}: choose from {', '.join(presets)}"
        )
    return Base(name, chosen, presets[preset], task)


def train_sft(
    base: Base,
    questions: Sequence[Question] | None,
    settings: TrainingSettings,
    run: TrainingRun,
    valid: Sequence[Question] | None = None,
    digits: int | None = None,
) -> TrainingResult:
    """Train an SFT adapter; keep the epoch most accurate on `valid`.

    Questions of None are those of `TRAINING_SPLITS`, or for `valid` those
    of `VALIDATION_SPLITS`. Digits of None are those of the task.

    Raises:
        LabelError: a question cannot be tokenized as needed.
        TrainingError: see `fine_tune`.
    """
    task = base.task
    questions = questions or task.load_training()
    valid = valid or task.load_validation()
    digits = digits or task.digits or config.SIGNIFICANT_DIGITS
    model, tokenizer = base.load()
    context: int = model.config.max_position_embeddings
    write = _prompt_writer(base, tokenizer)
    data = TrainingData(
        train=sft_examples(questions, tokenizer, digits, context, write),
        valid=sft_examples(valid, tokenizer, digits, context, write),
    )
    probe = probe_on(valid, tokenizer, base.prompt, task)
    run = _describe(run, base, model)
    return fine_tune(model, tokenizer, data, settings, run, probe)


def train_rft(
    base: Base,
    triples: Sequence[ReasoningExample],
    settings: TrainingSettings,
    run: TrainingRun,
    valid: Sequence[Question] | None = None,
) -> TrainingResult:
    """Train an RFT adapter; keep the epoch most accurate on `valid`.

    The validation loss is that of `reference_triples`. Without `valid`,
    the questions of `VALIDATION_SPLITS` are used.

    Raises:
        LabelError: a triple cannot be tokenized as needed.
        TrainingError: see `fine_tune`.
    """
    task = base.task
    valid = valid or task.load_validation()
    model, tokenizer = base.load()
    context: int = model.config.max_position_embeddings
    write = _prompt_writer(base, tokenizer)
    references = reference_triples(valid, task)
    if not references:
        raise TrainingError(
            "the validation loss of rft needs reasoning that code writes, "
            f"and the task {task.name} writes none for these questions"
        )
    data = TrainingData(
        train=rft_examples(triples, tokenizer, context, write),
        valid=rft_examples(references, tokenizer, context, write),
    )
    probe = probe_on(valid, tokenizer, base.prompt, task)
    run = _describe(run, base, model)
    return fine_tune(model, tokenizer, data, settings, run, probe)


def _prompt_writer(
    base: Base, tokenizer: PreTrainedTokenizerBase
) -> Callable[[str], str]:
    """Return the function that writes the prompts of training examples.

    Raises:
        TrainingError: a chat prompt, in a task that writes the beginning
            of the reply itself.
    """
    asked = base.task.load_validation()[0]
    if base.prompt != "raw" and base.task.opening(asked.text):
        raise config.TrainingError(
            f"the task {base.task.name} begins the replies itself: train "
            "on the bare question"
        )
    return partial(
        base.task.format_prompt, style=base.prompt, tokenizer=tokenizer
    )


def _describe(
    run: TrainingRun, base: Base, model: PreTrainedModel
) -> TrainingRun:
    """Add the base's exact name, task and prompt to what is recorded."""
    prompt = {} if base.prompt == "raw" else {"prompt": base.prompt}
    return replace(
        run,
        base_name=str(model.weights_name),
        entry=base.task.entry | prompt,
    )


def probe_on(
    questions: Sequence[Question],
    tokenizer: PreTrainedTokenizerBase,
    style: str = "raw",
    task: Task = UNIT_CONVERSION,
) -> Probe:
    """Return a function that evaluates a model on `questions`.

    Its `score` is the accuracy. The others go into the log: by difficulty
    and by the length of the product, the accuracy, the tokens of a reply,
    and the share that uses steps.
    """

    def measure(model: PreTrainedModel) -> dict[str, float]:
        llm = LLM(model, tokenizer, style, task=task)
        report = evaluate(llm, questions)
        groups = by_difficulty(report.rows) | by_product(report.rows)
        return {"score": report.accuracy.value} | {
            f"{name}_{kind.replace(' ', '_')}": value
            for kind, group in groups.items()
            for name, value in {
                "accuracy": group.accuracy.value,
                "tokens": group.tokens,
                "steps": group.steps.value,
            }.items()
        }

    return measure


def is_finished(folder: Path) -> bool:
    """Check whether a training run has left its adapter in `folder`."""
    return (folder / ADAPTER_WEIGHTS).is_file()
