"""Loading a model: which one, on which device, in which precision.

`"course"` is the model this package ships; any other name is a folder or a
model id of the Hugging Face hub. Weights are read from safetensors only,
and no code that comes with a model is ever run.
"""

from __future__ import annotations

import json
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from unitconv.common.errors import UnitconvError

COURSE_MODEL = Path(__file__).parent / "course_model"
ADAPTERS = Path(__file__).parent / "adapters"  # shipped, for that model
CACHE_LINE = 64  # bytes; where torch lets what it allocates begin
ADAPTER_WEIGHTS = "adapter_model.safetensors"
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


# What a folder with the wrong content makes the loaders raise.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,  # a value of the wrong type in config.json
)


class ModelError(UnitconvError):
    """A model or adapter that cannot be loaded; the message says why."""


@contextmanager
def without_advice() -> Iterator[None]:
    """Of transformers to itself, on names that it is about to change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*checkpointing", FutureWarning)
        yield


def pick_device(device: str | None = None) -> torch.device:
    """The device asked for, or the fastest there is.

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
    """The precision asked for, or the best the device computes in.

    A GPU below compute capability 8 (a T4, say) reports bfloat16 as
    supported and emulates it, slowly: it gets float16. A CPU gets float32,
    in which a row's text does not depend on its batch.

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
    """Whether bf16 products are faster than float32 here.

    True for GPUs from Ampere on and for CPUs that multiply bf16 in
    hardware (AMX tiles, or the AVX-512 instructions for it). With the
    latter we measured 205 against 82 GFLOP/s for a layer's matrix, and
    5.1k against 3.1k tokens/s for a step, on one core.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    can = torch.cpu.get_capabilities()
    return bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def load_model(
    name_or_path: str = "course",
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> tuple[Any, Any]:
    """The model, ready for inference, and its tokenizer.

    Raises:
        ModelError: unknown name, unreadable folder, no safetensors, or
            weights that are not those of the configuration.
    """
    device = device or pick_device()
    dtype = dtype or pick_dtype(device)
    source = _source(name_or_path)
    is_folder = name_or_path == "course" or Path(source).is_dir()
    if is_folder:
        _check_model_folder(Path(source))
    options: dict[str, Any] = {
        "local_files_only": is_folder or not hub_is_reachable(),
        "trust_remote_code": False,  # the default asks, and takes a yes
    }
    try:
        with _quiet(progress_bar=not is_folder):
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # told in `report`
                **options,
            )
    except _UNREADABLE as error:
        raise ModelError(_why(name_or_path, error)) from error
    model, report = loaded
    _check_weights(name_or_path, report)
    model = model.to(device).eval()
    if device.type == "cpu":
        _align(model)
    return model, tokenizer


def _align(model: Any) -> None:
    """Copy weights that begin within a line of the CPU's cache.

    A file's header may have any length, and what is mapped to memory
    behind it begins anywhere: products of such a matrix were measured to
    take up to twice as long.
    """
    for weight in model.parameters():
        if weight.data_ptr() % CACHE_LINE:
            weight.data = weight.data.clone()


def find_adapter(adapter: str | Path) -> Path:
    """Where an adapter lies: a folder, or `"sft"` and `"rft"`, shipped.

    A folder of that name comes first: who has just trained one means it.
    """
    folder = Path(adapter).expanduser()
    shipped = ADAPTERS / folder
    return folder if folder.exists() or not shipped.is_dir() else shipped


@without_advice()
def load_adapter(model: Any, adapter: str | Path) -> Any:
    """`model` with a LoRA adapter around it, unmerged.

    Args:
        adapter: as `find_adapter` takes it.

    Raises:
        ModelError: no adapter there, or one trained for another base.
    """
    # Importing peft takes two seconds: only who needs it pays.
    from peft import PeftModel

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
    if odd := sorted(stored ^ _own_keys(wrapped)):
        raise ModelError(f"{misfit}only one of them has {odd[0]!r}")
    return wrapped.eval()


def _own_keys(wrapped: Any) -> set[str]:
    """The names under which PEFT would store this adapter's weights."""
    from peft import get_peft_model_state_dict

    # Else PEFT looks for the base model's configuration on the hub.
    state = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    return set(state)


def _check_adapter_folder(folder: Path) -> None:
    config = folder / "adapter_config.json"
    if not config.is_file():
        raise ModelError(
            f"no adapter at {str(folder)!r}: expected 'sft' or 'rft' "
            "(shipped, for the course model) or a folder with "
            f"adapter_config.json and {ADAPTER_WEIGHTS}"
        )
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ModelError(
            f"{config}, line {error.lineno}: broken JSON ({error.msg})"
        ) from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{config}: not a text file") from error
    if not isinstance(content, dict) or "peft_type" not in content:
        raise ModelError(f"{config}: no adapter's, it names no peft_type")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(
            f"{folder} holds no {ADAPTER_WEIGHTS}; adapters in other "
            "formats can run code when read and are refused"
        )


def _check_weights(name: str, report: dict[str, Any]) -> None:
    """transformers fills what a file lacks with noise, and only warns."""
    wrong = {*report["missing_keys"], *report["mismatched_keys"]}
    if wrong:
        raise ModelError(
            f"the weights of {name!r} are not those its config.json "
            f"describes: {len(wrong)} are missing or of another shape, "
            f"such as {min(map(str, wrong))}"
        )


def _check_model_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"no model in {str(folder)!r}: expected config.json, "
            "model.safetensors and tokenizer.json, as save_pretrained "
            "writes them"
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} holds no safetensors; weights in other formats can "
            "run code when read and are refused"
        )


@contextmanager
def _quiet(progress_bar: bool) -> Iterator[None]:
    """Let no loader print: what is wrong is told once, by our errors.

    A progress bar is for downloads; weights on the disk are there in a
    moment.
    """
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


def hub_is_reachable(timeout: float = 5.0) -> bool:
    """Can the model hub be connected to?

    Without this a machine that is offline spends a minute on retries
    before it says so. Behind a proxy only the hub's own client can tell.
    """
    if HF_HUB_OFFLINE:
        return False
    if getproxies():
        return True
    address = urlsplit(ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname, port), timeout).close()
    except OSError:
        return False
    return True


def _source(name_or_path: str) -> str:
    if name_or_path == "course":
        return str(COURSE_MODEL)
    path = Path(name_or_path).expanduser()
    return str(path) if path.is_dir() else name_or_path


def _reason(error: Exception) -> str:
    """An error's text on one line, of a length a person reads."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _why(name: str, error: Exception) -> str:
    reason = _reason(error)
    if Path(_source(name)).is_dir():
        return f"cannot load a model from the folder {name!r}: {reason}"
    return (
        f"no model {name!r}: it is no folder here, and the model hub does "
        "not have it or cannot be reached. Use 'course' (shipped with the "
        "package), a folder, or a hub id such as "
        f"'HuggingFaceTB/SmolLM2-360M-Instruct'. ({reason})"
    )
