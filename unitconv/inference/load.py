"""Loading of models and adapters, from safetensors only.

No code that comes with a model is ever run.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from unitconv.common.errors import UnitconvError
from unitconv.inference.weights.catalog import SOURCES, find_weights
from unitconv.inference.weights.hub import (
    exact_name,
    hub_is_reachable,
    split_commit,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COURSE_MODEL = Path(__file__).parent / "course_model"
ADAPTERS = Path(__file__).parent / "adapters"  # shipped, for that model
ADAPTER_WEIGHTS = "adapter_model.safetensors"
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_BAD_FOLDER = "cannot load a model from the folder {!r}: {}"
_NO_MODEL = (
    "no model {!r}: it is no folder here, and the model hub does not have "
    "it or cannot be reached. Use 'course' (shipped with the package), "
    "'smollm2', a folder, or a hub id such as "
    "'HuggingFaceTB/SmolLM2-360M-Instruct'. "
    "({})"
)
#: Errors that the loaders raise on files with the wrong content.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
)


class ModelError(UnitconvError):
    """Raised for a model or an adapter that cannot be loaded."""


@contextmanager
def without_advice() -> Iterator[None]:
    """Silence Transformers' warning about a name that it will change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*checkpointing", FutureWarning)
        yield


def pick_device(device: str | None = None) -> torch.device:
    """Return the device asked for, or the fastest there is.

    Raises:
        ModelError: a device this machine, or torch, does not have.
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            f"no device {device!r} here: {_reason(error)}"
        ) from error
    return chosen


def pick_dtype(
    device: torch.device, dtype: str | torch.dtype | None = None
) -> torch.dtype:
    """Return the precision asked for, or the best the device computes in.

    GPUs below compute capability 8, such as a T4, emulate bfloat16 slowly.

    Raises:
        ModelError: an unknown dtype.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype is not None:
        if dtype not in DTYPES:
            raise ModelError(
                f"unknown dtype {dtype!r}: choose from {', '.join(DTYPES)}"
            )
        return DTYPES[dtype]
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    return torch.float32


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bfloat16 products are faster than float32 ones.

    True for GPUs from Ampere on, and for CPUs with bfloat16 instructions.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    can = torch.cpu.get_capabilities()
    return bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def load_model(
    name_or_path: str = "course",
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model for inference, and its tokenizer.

    The model gets an attribute, ``weights_name``, which says exactly what
    was loaded: ``owner/model@commit`` for weights of the hub.

    Raises:
        ModelError: unknown name, unreadable folder, no safetensors, or
            weights that are not those of the configuration.
        WeightsError: weights of SmolLM2 that cannot be fetched.
    """
    device = device or pick_device()
    name, folder = _find_folder(name_or_path)
    if folder:
        _check_model_folder(folder)
    source, commit = (str(folder), None) if folder else split_commit(name)
    options: dict[str, Any] = {
        "local_files_only": bool(folder) or not hub_is_reachable(),
        "trust_remote_code": False,  # the default asks, and takes a yes
        "revision": commit or "main",
    }
    try:
        with _quiet(progress_bar=not folder):
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source,
                dtype=dtype or pick_dtype(device),
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # see `report`
                **options,
            )
    except _UNREADABLE as error:
        problem = _BAD_FOLDER if folder else _NO_MODEL
        message = problem.format(name_or_path, _reason(error))
        raise ModelError(message) from error
    model, report = loaded
    # Transformers fills in random weights for these, and only warns.
    if wrong := {*report["missing_keys"], *report["mismatched_keys"]}:
        raise ModelError(
            f"the weights of {name_or_path!r} are not those its "
            f"config.json describes: {len(wrong)} are missing or of "
            f"another shape, such as {min(map(str, wrong))}"
        )
    model.weights_name = name if folder else exact_name(source, commit)
    return model.to(device).eval(), tokenizer


def _find_folder(name: str) -> tuple[str, Path | None]:
    """Return a model's exact name and its folder; None if on the hub."""
    if name == "course":
        return name, COURSE_MODEL
    if name in SOURCES:
        weights = find_weights(name)
        return weights.name, weights.folder
    folder = Path(name).expanduser()
    return name, folder if folder.is_dir() else None


def find_adapter(adapter: str | Path) -> Path:
    """Return the folder of an adapter: `"sft"` and `"rft"` are shipped.

    A folder of that name in the working directory comes first.
    """
    folder = Path(adapter).expanduser()
    shipped = ADAPTERS / folder
    return folder if folder.exists() or not shipped.is_dir() else shipped


@without_advice()
def load_adapter(
    model: PreTrainedModel, adapter: str | Path
) -> PreTrainedModel:
    """Return the model inside of an unmerged LoRA adapter.

    The result is a `PeftModel`, which has a model's methods and attributes.

    Args:
        adapter: as `find_adapter` takes it.

    Raises:
        ModelError: no adapter there, or one trained for another base.
    """
    # Imported here because it takes two seconds.
    from peft import PeftModel, get_peft_model_state_dict

    folder = find_adapter(adapter)
    _check_adapter_folder(folder)
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
    except _UNREADABLE as error:
        raise ModelError(misfit + _reason(error)) from error
    # Without this option PEFT asks the hub for the base's configuration.
    expected_keys = set(
        get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    )
    if mismatch := sorted(stored ^ expected_keys):
        raise ModelError(f"{misfit}only one of them has {mismatch[0]!r}")
    return cast("PreTrainedModel", wrapped.eval())


def _check_adapter_folder(folder: Path) -> None:
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


def _check_model_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"no model in {str(folder)!r}: expected config.json, "
            "model.safetensors and tokenizer.json"
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} holds no safetensors; weights in other formats can "
            "run code when read and are refused"
        )


@contextmanager
def _quiet(progress_bar: bool) -> Iterator[None]:
    """Keep the loaders from printing: our errors say what is wrong."""
    had_bar = logging.is_progress_bar_enabled()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    if not progress_bar:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bar:
            logging.enable_progress_bar()


def _reason(error: Exception) -> str:
    """Return an error's text on one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
