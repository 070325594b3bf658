"""What a machine can carry: batch size, dtype and rank by accelerator.

A preset is a starting point that is printed before training; every value
can be given by hand. The CPU's was measured with the course model. Those
for GPUs follow from memory and from what the cards compute: a T4 has no
bf16 (it reports it, and emulates it), an A100 or H100 has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from unitconv.training.lora import TrainingSettings


@dataclass(frozen=True)
class Preset:
    """How to train on one kind of machine."""

    name: str
    dtype: str  #: of the frozen base; what is trained is float32
    batch_size: int
    rank: int
    gradient_checkpointing: bool

    def apply(self, settings: TrainingSettings) -> TrainingSettings:
        """`settings` with what this machine decides."""
        return replace(
            settings,
            batch_size=self.batch_size,
            rank=self.rank,
            alpha=2 * self.rank,
            gradient_checkpointing=self.gradient_checkpointing,
        )


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("cpu", "float32", 32, 16, False),
        Preset("t4", "float16", 16, 16, True),
        Preset("ampere", "bfloat16", 64, 32, False),
    )
}


def pick_preset(device: torch.device) -> Preset:
    """The preset of a device; a T4 is told by its compute capability."""
    if device.type != "cuda":
        return PRESETS["cpu"]
    major, _ = torch.cuda.get_device_capability(device)
    return PRESETS["ampere" if major >= 8 else "t4"]
