"""Hyperparameters of online reinforcement learning (RL)."""

from __future__ import annotations

from dataclasses import dataclass, field

from unitconv.training.config import Recipe, TrainingError, TrainingSettings

#: What turns rewards into a loss, see `unitconv.training.rl.loss`.
LOSSES = ("dr_grpo", "grpo", "dapo", "raft", "reinforce")

RL_DEFAULTS = Recipe(
    epochs=1,  # updates with each batch of samples
    learning_rate=1e-3,
    # On a CPU smaller tensors stay in its cache: 1.5 times as fast as 32.
    batch_size=8,
)

#: DAPO clips a rising probability later than a falling one ("clip-higher").
DAPO_CLIP_HIGH = 0.28


def _reply_limit() -> int:
    from unitconv.inference.reference import Decoding  # imports torch

    return Decoding.max_new_tokens


@dataclass(frozen=True, kw_only=True)
class RLSettings(TrainingSettings):
    """All settings of one run of online RL.

    `epochs` is the number of updates with each batch of samples, and
    `batch_size` the number of samples in a forward pass of the update: it
    changes the memory, not the result. `patience` has no effect.

    Raises:
        TrainingError: a setting is out of range.
    """

    loss: str = "dr_grpo"
    steps: int = 40
    questions: int = 16  #: of a step
    samples: int = 8  #: replies to each question
    temperature: float = 1.0
    max_new_tokens: int = field(default_factory=_reply_limit)
    clip: float = 0.2  #: has an effect from the second epoch on
    kl: float = 0.0  #: weight of the KL divergence from the base model
    valid_every: int = 10  #: steps between two validations
    adapter: str | None = None  #: to start from, else a new one
    prompt: str | None = None  #: else the adapter's, or the base's default

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise TrainingError(
                f"unknown loss {self.loss!r}: choose from "
                f"{', '.join(LOSSES)}"
            )
        if self.samples < 2:
            raise TrainingError(
                "samples must be at least 2: a reply is compared with the "
                "others to its question"
            )
        at_least_1 = ("epochs", "steps", "questions", "valid_every")
        for name in (*at_least_1, "batch_size", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1")
        if not self.temperature > 0:
            raise TrainingError(
                "temperature must be above 0: greedy replies to a question "
                "are all the same"
            )
        if not (0 < self.clip < 1 and self.kl >= 0):
            raise TrainingError(
                "clip must be between 0 and 1, and kl at least 0"
            )
        if self.dropout:
            raise TrainingError(
                "dropout must be 0: the model that learns would not be "
                "the one that sampled"
            )

    @property
    def clip_range(self) -> tuple[float, float]:
        """Smallest and largest ratio of probabilities that still counts."""
        high = DAPO_CLIP_HIGH if self.loss == "dapo" else self.clip
        return 1 - self.clip, 1 + high
