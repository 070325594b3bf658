"""Loading of LoRA adapters, from safetensors only."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from safetensors import safe_open

from unitconv.common.files.json_file import read_object
from unitconv.inference.load.errors import (
    UNREADABLE,
    ModelError,
    reason_of,
    without_advice,
)
from unitconv.inference.weights.hub import split_commit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTERS = Path(__file__).parents[1] / "adapters"  # in the package
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def find_adapter(adapter: str | Path) -> Path:
    """Return the folder of an adapter, one of `shipped_adapters` or a path.

    A folder of that name in the working directory comes first.
    """
    folder = Path(adapter).expanduser()
    shipped = ADAPTERS / folder
    return folder if folder.exists() or not shipped.is_dir() else shipped


def shipped_adapters(base: str | None = None) -> list[str]:
    """List the names of shipped adapters: of all, or those of a base."""
    folders = sorted(
        p.parent for p in ADAPTERS.glob(f"*/{ADAPTER_WEIGHTS}")
    )
    return [
        folder.name
        for folder in folders
        if base in (None, _base_of(_read_config(folder)))
    ]


def trained_prompt(adapter: str | Path) -> str:
    """Return the prompt style that an adapter was trained with.

    It is the bare question, unless the run's record says otherwise.

    Raises:
        ModelError: a record that cannot be read.
    """
    record = find_adapter(adapter) / "run.json"
    if not record.exists():
        return "raw"
    run = read_object(record, ModelError)
    return str(run.get("prompt") or "raw")


@without_advice()
def load_adapter(
    model: PreTrainedModel, adapter: str | Path
) -> PreTrainedModel:
    """Return the model inside of an unmerged LoRA adapter.

    The result is a `PeftModel`, which has a model's methods and attributes.
    Warns of a base with another name than the adapter was trained on.

    Args:
        adapter: as `find_adapter` takes it.

    Raises:
        ModelError: no adapter there, or one whose shapes do not fit.
    """
    # Imported here because it takes two seconds.
    from peft import PeftModel, get_peft_model_state_dict

    folder = find_adapter(adapter)
    config = _read_config(folder)
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
    name = getattr(model, "weights_name", None)
    trained_on = _base_of(config)
    if name and trained_on and not _may_be_same(trained_on, name):
        warnings.warn(
            f"the adapter in {folder} was trained on {trained_on!r}, and "
            f"this model is {name!r}: expect other answers than its card "
            "reports",
            stacklevel=3,  # above the decorator
        )
    return cast("PreTrainedModel", wrapped.eval())


def _base_of(config: dict[str, Any]) -> str | None:
    """Return the exact name of the base that an adapter was trained on."""
    name, commit = (
        config.get(key) for key in ("base_model_name_or_path", "revision")
    )
    return f"{name}@{commit}" if name and commit else name


def _may_be_same(trained_on: str, name: str) -> bool:
    """Compare names of weights; a folder may hold any.

    A name without a commit is that of every commit.
    """
    folders = [Path(n) for n in (trained_on, name)]
    if any(f.is_absolute() or f.is_dir() for f in folders):
        return True
    first, second = split_commit(trained_on), split_commit(name)
    if None in (first[1], second[1]):
        return first[0] == second[0]
    return first == second


def _read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of an adapter, and look for its weights."""
    config = folder / "adapter_config.json"
    if not config.is_file():
        raise ModelError(
            f"no adapter at {str(folder)!r}: expected a name "
            f"({', '.join(shipped_adapters())}) or a folder with "
            f"adapter_config.json and {ADAPTER_WEIGHTS}"
        )
    content = read_object(config, ModelError)
    if "peft_type" not in content:
        raise ModelError(f"{config}: no adapter's, it names no peft_type")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(
            f"{folder} holds no {ADAPTER_WEIGHTS}; adapters in other "
            "formats can run code when read and are refused"
        )
    return content
