"""Loading of LoRA adapters, from safetensors only."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

from safetensors import safe_open

from unitconv.inference.load.errors import (
    UNREADABLE,
    ModelError,
    reason_of,
    without_advice,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTERS = Path(__file__).parents[1] / "adapters"  # for the course model
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def find_adapter(adapter: str | Path) -> Path:
    """Return the folder of an adapter: `"sft"` and `"rft"` are shipped.

    A folder of that name in the working directory comes first.
    """
    folder = Path(adapter).expanduser()
    shipped = ADAPTERS / folder
    return folder if folder.exists() or not shipped.is_dir() else shipped


def trained_prompt(adapter: str | Path) -> str:
    """Return the prompt style that an adapter was trained with.

    It is the bare question, unless the run's record says otherwise.
    """
    record = find_adapter(adapter) / "run.json"
    try:
        run = json.loads(record.read_text("utf-8"))
    except FileNotFoundError:
        return "raw"
    except (OSError, ValueError) as error:
        raise ModelError(f"{record}: {error}") from error
    return str(run.get("prompt", "raw")) if isinstance(run, dict) else "raw"


@without_advice()
def load_adapter(
    model: PreTrainedModel, adapter: str | Path
) -> PreTrainedModel:
    """Return the model inside of an unmerged LoRA adapter.

    The result is a `PeftModel`, which has a model's methods and attributes.

    Args:
        adapter: as `find_adapter` takes it.

    Raises:
        ModelError: no adapter there, or one whose shapes do not fit.

    Warns of a base with another name than the adapter was trained on.
    """
    # Imported here because it takes two seconds.
    from peft import PeftModel, get_peft_model_state_dict

    folder = find_adapter(adapter)
    trained_on = _read_base(folder)
    misfit = (
        f"the adapter in {folder} does not fit this model (was it trained "
        "for another one?): "
    )
    try:
        with warnings.catch_warnings():
            # PEFT warns of missing weights and goes on; we stop, below.
            warnings.filterwarnings("ignore", message="Found missing")
            wrapped = PeftModel.from_pretrained(model, str(folder))
        with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
            stored = set(file.keys())
    except UNREADABLE as error:
        raise ModelError(misfit + reason_of(error)) from error
    # Without this option PEFT asks the hub for the base's configuration.
    expected_keys = set(
        get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    )
    if mismatch := sorted(stored ^ expected_keys):
        raise ModelError(f"{misfit}only one of them has {mismatch[0]!r}")
    name = getattr(model, "weights_name", trained_on)
    if name != trained_on:
        warnings.warn(
            f"the adapter in {folder} was trained on {trained_on!r}, and "
            f"this model is {name!r}: unless these are the same weights, "
            "expect other answers than its card reports",
            stacklevel=2,
        )
    return cast("PreTrainedModel", wrapped.eval())


def _read_base(folder: Path) -> str:
    """Return the name of the base that an adapter was trained on."""
    config = folder / "adapter_config.json"
    if not config.is_file():
        raise ModelError(
            f"no adapter at {str(folder)!r}: expected 'sft' or 'rft' "
            "(shipped, for the course model) or a folder with "
            f"adapter_config.json and {ADAPTER_WEIGHTS}"
        )
    try:
        content = json.loads(config.read_text("utf-8", "replace"))
    except json.JSONDecodeError as error:
        raise ModelError(
            f"{config}, line {error.lineno}: broken JSON ({error.msg})"
        ) from error
    if not isinstance(content, dict) or "peft_type" not in content:
        raise ModelError(f"{config}: no adapter's, it names no peft_type")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(
            f"{folder} holds no {ADAPTER_WEIGHTS}; adapters in other "
            "formats can run code when read and are refused"
        )
    return str(content.get("base_model_name_or_path"))
