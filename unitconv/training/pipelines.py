"""SFT and RFT, from a base model and data to an adapter.

Every run loads its base anew: no earlier adapter is left in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unitconv.evaluation.evaluate import evaluate
from unitconv.inference.llm import LLM
from unitconv.inference.load import (
    ADAPTER_WEIGHTS,
    load_model,
    pick_device,
    pick_dtype,
)
from unitconv.task.dataset import Question, load_split
from unitconv.task.question_parser import Conversion, parse_question
from unitconv.task.units import BY_NAME, exact_factor
from unitconv.training import config
from unitconv.training.config import TrainingRun, TrainingSettings
from unitconv.training.examples import (
    ReasoningExample,
    rft_examples,
    sft_examples,
    write_value,
)
from unitconv.training.trainer import (
    Score,
    TrainingData,
    TrainingResult,
    fine_tune,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Base:
    """A base model by name, with its device and hardware preset."""

    name: str
    device: torch.device
    preset: config.HardwarePreset

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Load a fresh model and its tokenizer."""
        dtype = pick_dtype(self.device, self.preset.dtype)
        return load_model(self.name, self.device, dtype)

    def settings(
        self, recipe: config.Recipe, **overrides: Any
    ) -> TrainingSettings:
        """Combine a recipe, the hardware preset and overrides.

        An override of None counts as not given. A rank given alone keeps
        LoRA's scale, alpha / rank, and is not lowered to fit the budget.
        """
        set_overrides = {
            k: v for k, v in overrides.items() if v is not None
        }
        set_overrides.setdefault("lower_rank", "rank" not in set_overrides)
        if "rank" in set_overrides:
            set_overrides.setdefault("alpha", 2 * set_overrides["rank"])
        settings = TrainingSettings(**asdict(recipe))
        return replace(self.preset.apply(settings), **set_overrides)


def pick_base(
    name: str = "course",
    device: str | None = None,
    preset: str | None = None,
) -> Base:
    """Choose device and hardware preset for a base model.

    Raises:
        ModelError: this machine does not have the device.
        TrainingError: unknown preset.
    """
    chosen = pick_device(device)
    if preset is None:
        return Base(name, chosen, config.pick_hardware_preset(chosen))
    presets = config.HARDWARE_PRESETS
    if preset not in presets:
        raise config.TrainingError(
            f"unknown preset {preset!r}: choose from {', '.join(presets)}"
        )
    return Base(name, chosen, presets[preset])


def train_sft(
    base: Base,
    questions: Sequence[Question],
    settings: TrainingSettings,
    run: TrainingRun,
    valid: Sequence[Question] | None = None,
    digits: int = config.SIGNIFICANT_DIGITS,
) -> TrainingResult:
    """Train an SFT adapter; keep the epoch most accurate on `valid`.

    Without `valid`, the split of that name is used.

    Raises:
        LabelError: a question cannot be tokenised as needed.
        TrainingError: see `fine_tune`.
    """
    valid = valid or load_split("valid")
    model, tokenizer = base.load()
    context: int = model.config.max_position_embeddings
    data = TrainingData(
        train=sft_examples(questions, tokenizer, digits, context),
        valid=sft_examples(valid, tokenizer, digits, context),
    )
    score = _accuracy_on(valid, tokenizer)
    run = replace(run, base_name=base.name)
    return fine_tune(model, tokenizer, data, settings, run, score)


def train_rft(
    base: Base,
    triples: Sequence[ReasoningExample],
    settings: TrainingSettings,
    run: TrainingRun,
    valid: Sequence[Question] | None = None,
) -> TrainingResult:
    """Train an RFT adapter; keep the epoch most accurate on `valid`.

    The validation loss is that of `reference_triples`. Without `valid`,
    the split of that name is used.

    Raises:
        LabelError: a triple cannot be tokenised as needed.
        TrainingError: see `fine_tune`.
    """
    valid = valid or load_split("valid")
    model, tokenizer = base.load()
    context: int = model.config.max_position_embeddings
    data = TrainingData(
        train=rft_examples(triples, tokenizer, context),
        valid=rft_examples(reference_triples(valid), tokenizer, context),
    )
    score = _accuracy_on(valid, tokenizer)
    run = replace(run, base_name=base.name)
    return fine_tune(model, tokenizer, data, settings, run, score)


def _accuracy_on(
    questions: Sequence[Question], tokenizer: PreTrainedTokenizerBase
) -> Score:
    return lambda model: (
        evaluate(LLM(model, tokenizer, "raw"), questions).accuracy.value
    )


def reference_triples(
    questions: Sequence[Question],
) -> list[ReasoningExample]:
    """Write reasoning with pint's factors for questions that parse."""
    return [
        ReasoningExample(
            question.text, question.answer, _reference_reasoning(conversion)
        )
        for question in questions
        if (conversion := parse_question(question.text)) is not None
    ]


def _reference_reasoning(conversion: Conversion) -> str:
    a, b = BY_NAME[conversion.source], BY_NAME[conversion.target]
    factor = write_value(float(exact_factor(a, b)))
    quantity = write_value(conversion.quantity)
    result = write_value(float(Decimal(quantity) * Decimal(factor)), 6)
    return (
        f"1 {a.symbol} = {factor} {b.symbol}. "
        f"{quantity} * {factor} = {result}. <answer>{result}</answer>"
    )


def is_finished(folder: Path) -> bool:
    """Check whether a training run has left its adapter in `folder`."""
    return (folder / ADAPTER_WEIGHTS).is_file()
