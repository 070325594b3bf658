"""The course's trainings, start to end: base and data in, adapter out.

Each training loads its base anew, so that nothing of an earlier adapter is
left in it: the second round of RFT begins where the first did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unitconv.common.errors import UnitconvError
from unitconv.evaluation.evaluate import evaluate
from unitconv.inference.llm import LLM
from unitconv.inference.load import (
    ADAPTER_WEIGHTS,
    load_model,
    pick_device,
    pick_dtype,
)
from unitconv.task.dataset import Question, load_split
from unitconv.training.config import SIGNIFICANT_DIGITS, Recipe
from unitconv.training.examples import (
    Triple,
    reference_triples,
    rft_rows,
    sft_rows,
)
from unitconv.training.hardware import PRESETS, Preset, pick_preset
from unitconv.training.lora import TrainingSettings
from unitconv.training.trainer import Score, TrainingResult, fine_tune


@dataclass(frozen=True)
class Base:
    """A base model by name, its device, and what that can carry."""

    name: str
    device: torch.device
    preset: Preset

    def load(self) -> tuple[Any, Any]:
        """A fresh model and its tokenizer."""
        dtype = pick_dtype(self.device, self.preset.dtype)
        return load_model(self.name, self.device, dtype)

    def settings(self, recipe: Recipe, **given: Any) -> TrainingSettings:
        """A recipe on this machine; what is given, not None, comes first.

        LoRA's scale is alpha / rank: a rank given alone keeps the scale.
        A rank that nobody gave is lowered where the budget wants it.
        """
        chosen = {k: v for k, v in given.items() if v is not None}
        chosen.setdefault("lower_rank", "rank" not in chosen)
        if "rank" in chosen:
            chosen.setdefault("alpha", 2 * chosen["rank"])
        settings = TrainingSettings(**asdict(recipe))
        return replace(self.preset.apply(settings), **chosen)


def pick_base(
    name: str = "course",
    device: str | None = None,
    preset: str | None = None,
) -> Base:
    """A base on this machine's device, with its preset or a named one.

    Raises:
        ModelError: a device this machine does not have.
        UnitconvError: an unknown preset.
    """
    where = pick_device(device)
    if preset is None:
        return Base(name, where, pick_preset(where))
    if preset not in PRESETS:
        raise UnitconvError(
            f"unknown preset {preset!r}: choose from {', '.join(PRESETS)}"
        )
    return Base(name, where, PRESETS[preset])


def train_sft(
    base: Base,
    questions: Sequence[Question],
    settings: TrainingSettings,
    folder: Path,
    digits: int = SIGNIFICANT_DIGITS,
    valid: Sequence[Question] | None = None,
    resume: bool = False,
    callbacks: Sequence[Any] = (),
) -> TrainingResult:
    """SFT on questions; the epoch that answers `valid` best is kept.

    Args:
        digits: how many significant digits of an answer are written.
        valid: by default the split of that name.
    """
    watched = valid or load_split("valid")
    model, tokenizer = base.load()
    return fine_tune(
        model,
        tokenizer,
        sft_rows(questions, tokenizer, digits, _context(model)),
        sft_rows(watched, tokenizer, digits, _context(model)),
        settings,
        folder,
        base.name,
        _score(tokenizer, watched),
        resume,
        callbacks,
    )


def train_rft(
    base: Base,
    triples: Sequence[Triple],
    settings: TrainingSettings,
    folder: Path,
    valid: Sequence[Question] | None = None,
    resume: bool = False,
    callbacks: Sequence[Any] = (),
) -> TrainingResult:
    """RFT on triples; the epoch that answers `valid` best is kept.

    The loss on `valid` is that of reference reasoning, written by pint.
    """
    watched = valid or load_split("valid")
    model, tokenizer = base.load()
    references = reference_triples(watched)
    return fine_tune(
        model,
        tokenizer,
        rft_rows(triples, tokenizer, _context(model)),
        rft_rows(references, tokenizer, _context(model)),
        settings,
        folder,
        base.name,
        _score(tokenizer, watched),
        resume,
        callbacks,
    )


def _score(tokenizer: Any, questions: Sequence[Question]) -> Score:
    """How many of `questions` a model under training answers rightly."""

    def score(model: Any) -> float:
        report = evaluate(LLM(model, tokenizer, "raw"), questions)
        return report.accuracy.value

    return score


def _context(model: Any) -> int:
    """The longest row that the model can read."""
    return int(model.config.max_position_embeddings)


def is_finished(folder: Path) -> bool:
    """Whether a training has left its adapter in `folder`."""
    return (folder / ADAPTER_WEIGHTS).is_file()
