"""SFT and RFT from a base model and data to an adapter.

Every run loads its base model anew, so that no earlier adapter is left in
it: the second round of RFT starts from the same weights as the first.
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
from unitconv.training.config import (
    HARDWARE_PRESETS,
    SIGNIFICANT_DIGITS,
    HardwarePreset,
    Recipe,
    TrainingError,
    TrainingRun,
    TrainingSettings,
    pick_hardware_preset,
)
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
    preset: HardwarePreset

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Load a fresh model and its tokenizer."""
        dtype = pick_dtype(self.device, self.preset.dtype)
        return load_model(self.name, self.device, dtype)

    def settings(
        self, recipe: Recipe, **overrides: Any
    ) -> TrainingSettings:
        """Combine a recipe, the hardware preset and explicit settings.

        Overrides that are None count as not given. A rank without an
        `alpha` keeps LoRA's scale, alpha / rank. Only a rank from the
        preset may be lowered to fit the size budget.
        """
        given = {k: v for k, v in overrides.items() if v is not None}
        given.setdefault("lower_rank", "rank" not in given)
        if "rank" in given:
            given.setdefault("alpha", 2 * given["rank"])
        settings = TrainingSettings(**asdict(recipe))
        return replace(self.preset.apply(settings), **given)


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
        return Base(name, chosen, pick_hardware_preset(chosen))
    if preset not in HARDWARE_PRESETS:
        raise TrainingError(
            f"unknown preset {preset!r}: choose from "
            f"{', '.join(HARDWARE_PRESETS)}"
        )
    return Base(name, chosen, HARDWARE_PRESETS[preset])


def train_sft(
    base: Base,
    questions: Sequence[Question],
    settings: TrainingSettings,
    run: TrainingRun,
    valid: Sequence[Question] | None = None,
    digits: int = SIGNIFICANT_DIGITS,
) -> TrainingResult:
    """Train an SFT adapter; keep the epoch most accurate on `valid`.

    The targets are answers with `digits` significant digits. Without
    `valid`, the split of that name is used.

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

    The validation loss is that of reference reasoning written with pint.
    Without `valid`, the split of that name is used.

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
    def score(model: PreTrainedModel) -> float:
        report = evaluate(LLM(model, tokenizer, "raw"), questions)
        return report.accuracy.value

    return score


def reference_triples(
    questions: Sequence[Question],
) -> list[ReasoningExample]:
    """Write reasoning with pint's factors in the form of the CoT example.

    RFT measures its validation loss on these. Questions that cannot be
    parsed are left out.
    """
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
