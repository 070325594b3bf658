"""Models with their LoRA adapter merged into the weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unitconv.inference.llm import default_prompt
from unitconv.inference.load.adapter import (
    ADAPTER_WEIGHTS,
    find_adapter,
    load_adapter,
    trained_prompt,
)
from unitconv.inference.load.errors import ModelError
from unitconv.inference.load.model import load_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class MergedModel:
    """A model in float32 without LoRA layers, and what it was made from.

    Attributes:
        weights: exact name of the base's weights.
        adapter: name of the adapter's folder, if there was one.
        sha256: digest of the adapter's weights.
        trained_on: name of the weights that the adapter was trained on.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    weights: str
    adapter: str | None = None
    sha256: str | None = None
    trained_on: str | None = None
    #: Prompt style that the model is used with.
    prompt: str = "raw"

    @property
    def title(self) -> str:
        """Names of the weights and of the adapter."""
        names = [self.weights, self.adapter]
        return " + ".join(name for name in names if name)

    @property
    def origin(self) -> str:
        """What the model was made from, in one sentence."""
        if self.adapter is None:
            return f"The weights {self.weights}, without an adapter."
        return (
            f"The weights {self.weights} with the LoRA adapter "
            f"{self.adapter} merged into them (SHA-256 {self.sha256}, "
            f"trained on {self.trained_on})."
        )


def load_merged(
    name_or_path: str, adapter: str | Path | None = None
) -> MergedModel:
    """Load a model on the CPU and merge a LoRA adapter into its weights.

    Args:
        name_or_path: as for `~unitconv.inference.load.model.load_model`.
        adapter: as for `~unitconv.inference.load.adapter.find_adapter`.

    Raises:
        ModelError: nothing to load, an adapter that does not fit, or one
            that is no LoRA.
        WeightsError: weights of SmolLM2 that cannot be fetched.
    """
    model, tokenizer = load_model(
        name_or_path, torch.device("cpu"), torch.float32
    )
    weights = str(model.weights_name)
    if adapter is None:
        return MergedModel(
            model, tokenizer, weights, prompt=default_prompt(model)
        )
    folder = find_adapter(adapter)
    wrapped: Any = load_adapter(model, folder)
    config = wrapped.peft_config["default"]
    if config.peft_type != "LORA":
        raise ModelError(
            f"the adapter in {folder} is of the type "
            f"{config.peft_type.value}: only LoRA can be merged"
        )
    with (folder / ADAPTER_WEIGHTS).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return MergedModel(
        wrapped.merge_and_unload(),
        tokenizer,
        weights,
        adapter=folder.resolve().name,
        sha256=digest,
        trained_on=config.base_model_name_or_path or "an unnamed model",
        prompt=trained_prompt(folder),
    )
