"""Hyperparameters of SFT and RFT for each base, and presets by hardware.

For the course model, significant digits, ranks, sample counts and
temperatures rest on `evaluation/results/sweeps.json`; epochs and learning
rates on single runs with earlier course models, whose accuracies the
comments give. SmolLM2's learning rate, batch size and rank rest on
`evaluation/results/smollm2.json`, on one epoch of reasoning; its other
settings were not varied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    import torch
    from transformers import TrainerCallback


class TrainingError(UnitconvError):
    """Raised before training: bad settings, no examples, another run."""


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training method on one kind of base."""

    epochs: int
    learning_rate: float  #: AdamW's peak, reached after the warm-up
    batch_size: int = 32
    rank: int = 16
    dropout: float = 0.0  #: 0.1 is no better, on 2000 questions
    #: Batches hold rows of similar length, which saves padding. Unless they
    #: are shuffled the longest of each 50 come first, as in `Trainer`, and
    #: a short run ends on short rows.
    shuffle_batches: bool = False


#: Limit of an adapter's file. Rank 16 of SmolLM2-1.7B takes 72 MB.
MAX_ADAPTER_MB = 200.0

SFT_DEFAULTS = Recipe(
    # On `valid` and `valid_hard` .47 after three, .48 at best.
    epochs=5,
    # On `valid`, 3e-3 is faster and no better later.
    learning_rate=1e-3,
)
RFT_DEFAULTS = Recipe(
    # On `valid` and `valid_hard` .87 after three, .90 after five.
    epochs=5,
    # On `valid`, 1e-3 reaches .890, 6e-3 reaches .885, this .925.
    learning_rate=3e-3,
)


@dataclass(frozen=True)
class Recipes:
    """Recipes of SFT on answers and of training on reasoning."""

    sft: Recipe
    rft: Recipe


COURSE_RECIPES = Recipes(sft=SFT_DEFAULTS, rft=RFT_DEFAULTS)
#: For every other base; measured with SmolLM2-135M-Instruct.
_SMOLLM2 = Recipe(
    epochs=3,
    learning_rate=2e-3,
    batch_size=8,
    rank=8,
    shuffle_batches=True,
)
SMOLLM2_RECIPES = Recipes(sft=_SMOLLM2, rft=_SMOLLM2)

#: Significant digits of an SFT answer. That two, three or six are better
#: or worse is not shown; a user learns more from four than from two.
SIGNIFICANT_DIGITS = 4
#: Completions sampled for each question. Samples six to ten add correct
#: completions for far fewer questions than the first five.
SAMPLES = 10
#: Lower, ten samples are too much alike; higher, too many are wrong.
TEMPERATURE = 0.8
#: Distinct reasoning paths kept for each question. More paths help (Yuan et
#: al. 2023, arXiv:2308.01825), but an easy question has any number of them
#: and would dominate the training set. Other values were not tried.
MAX_PATHS = 2


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Recipe):
    """All hyperparameters of one training run."""

    alpha: int = 32
    warmup_share: float = 0.06  #: of all steps; the rate rises linearly
    max_grad_norm: float = 1.0
    seed: int = 0
    #: Recompute activations in the backward pass: less memory, more time.
    gradient_checkpointing: bool = False
    patience: int = 4  #: epochs without a better score on `valid`
    max_adapter_mb: float = MAX_ADAPTER_MB


@dataclass(frozen=True)
class TrainingRun:
    """Output folder of a run, and whether it continues an earlier one."""

    folder: Path
    resume: bool = False
    callbacks: Sequence[TrainerCallback] = ()
    #: Written into the adapter; a path would mean nothing elsewhere.
    base_name: str = "course"
    #: Entries of `run.json`: another task than unit conversion, another
    #: prompt than the bare question.
    entry: dict[str, str] = field(default_factory=dict)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints and of the TensorBoard log."""
        return self.folder / "checkpoints"


@dataclass(frozen=True)
class HardwarePreset:
    """Settings that depend on the machine: they change the rounding alone.

    Batch size and rank decide what is learned, so recipes have them.
    """

    name: str
    dtype: str  #: of the frozen base; the adapter is trained in float32
    gradient_checkpointing: bool


#: Those for GPUs follow from the computed memory (see chapter 12), and
#: from bf16, which a T4 only emulates.
HARDWARE_PRESETS: dict[str, HardwarePreset] = {
    "cpu": HardwarePreset("cpu", "float32", False),
    "t4": HardwarePreset("t4", "float16", True),
    "ampere": HardwarePreset("ampere", "bfloat16", False),
}


def pick_hardware_preset(device: torch.device) -> HardwarePreset:
    """Return the preset for a device, by its compute capability."""
    if device.type != "cuda":
        return HARDWARE_PRESETS["cpu"]
    import torch

    major, _ = torch.cuda.get_device_capability(device)
    return HARDWARE_PRESETS["ampere" if major >= 8 else "t4"]
