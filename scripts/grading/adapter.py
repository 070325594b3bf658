"""Read an adapter that was handed in, as data and nothing else.

PEFT imports modules that a configuration names, so a new one is written,
with the few settings that a LoRA adapter of the course may have.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import safetensors.torch
import torch
from safetensors import SafetensorError

from scripts.grading.submission import UnreadableError
from unitconv.inference.load.adapter import ADAPTERS

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LARGEST = {CONFIG: 2**16, WEIGHTS: 50 * 2**20, "run.json": 2**16}  # bytes
_KEY = re.compile(
    r"base_model\.model\.model\.layers\.\d+\."
    r"(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)\."
    r"lora_[AB]\.weight"
)
_TYPES = {
    "r": int,
    "lora_alpha": int | float,
    "target_modules": list,
    "rank_pattern": dict,
    "alpha_pattern": dict,
    "use_rslora": bool,
}
_PROMPTS = ("raw", "chat")
_LARGEST_RANK = 256


@contextmanager
def safe_adapter(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a folder with the adapter, and the prompt of its training.

    Args:
        path: a folder or a zip.

    Raises:
        UnreadableError: it holds no adapter, or more than that.
    """
    if path.is_symlink():
        raise UnreadableError("a link, not a folder or a zip")
    files = _read_zip(path) if path.suffix == ".zip" else _read_folder(path)
    if missing := {CONFIG, WEIGHTS} - files.keys():
        raise UnreadableError(f"there is no {min(missing)}")
    _check_weights(files[WEIGHTS])
    config = _safe_config(_read_object(files[CONFIG]))
    run = _read_object(files.get("run.json", b"{}"))
    prompt = run.get("prompt") or "raw"
    if prompt not in _PROMPTS:
        raise UnreadableError(f"run.json names the prompt {prompt!r}")
    with TemporaryDirectory() as folder:
        made = Path(folder)
        (made / CONFIG).write_text(json.dumps(config), "utf-8")
        (made / WEIGHTS).write_bytes(files[WEIGHTS])
        yield made, prompt


def _read_folder(folder: Path) -> dict[str, bytes]:
    files = {}
    for name, largest in LARGEST.items():
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UnreadableError(f"{name} is no file")
        if path.exists():
            if path.stat().st_size > largest:
                raise UnreadableError(f"{name} is too large")
            files[name] = path.read_bytes()
    return files


def _read_zip(path: Path) -> dict[str, bytes]:
    files = {}
    try:
        with ZipFile(path) as archive:
            for name in archive.namelist():
                known = name.rpartition("/")[2]  # in whatever folder
                if known not in LARGEST or known in files:
                    continue
                with archive.open(name) as file:
                    files[known] = file.read(LARGEST[known] + 1)
                if len(files[known]) > LARGEST[known]:
                    raise UnreadableError(f"{known} is too large")
    except (OSError, BadZipFile, RuntimeError, NotImplementedError) as e:
        raise UnreadableError(f"no zip can be read ({e})") from e
    return files


def _read_object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("a settings file is no JSON") from error
    if not isinstance(found, dict):
        raise UnreadableError("a settings file holds no object")
    return found


def _check_weights(content: bytes) -> None:
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"{WEIGHTS}: {error}") from error
    for name, tensor in tensors.items():
        if not _KEY.fullmatch(name):
            raise UnreadableError(f"no weight of LoRA: {name[:80]!r}")
        if not (tensor.is_floating_point() and tensor.isfinite().all()):
            raise UnreadableError(f"{name}: not all are finite numbers")
    if owner := _shipped(tensors):
        raise UnreadableError(
            f"these are the weights of the course's own adapter {owner}; "
            "train with another seed"
        )


def _shipped(tensors: dict[str, torch.Tensor]) -> str:
    """Return which of the adapters in the package has these weights."""
    for path in sorted(ADAPTERS.glob(f"*/{WEIGHTS}")):
        course = safetensors.torch.load_file(path)
        if course.keys() == tensors.keys() and all(
            torch.equal(course[name].float(), tensors[name].float())
            for name in course
        ):
            return path.parent.name
    return ""


def _safe_config(given: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration of plain LoRA with the settings given."""
    kept = {
        name: given[name]
        for name, kind in _TYPES.items()
        if isinstance(given.get(name), kind)
    }
    if given.get("peft_type") != "LORA" or not kept.keys() >= {"r"}:
        raise UnreadableError(f"{CONFIG} is none of LoRA")
    ranks = [kept["r"], *kept.get("rank_pattern", {}).values()]
    if not all(one in range(1, _LARGEST_RANK + 1) for one in ranks):
        raise UnreadableError(f"a rank is not from 1 to {_LARGEST_RANK}")
    named = [
        *kept.get("target_modules", []),
        *kept.get("rank_pattern", {}),
        *kept.get("alpha_pattern", {}),
    ]
    if not all(re.fullmatch(r"[\w.]{1,99}", str(name)) for name in named):
        raise UnreadableError(f"{CONFIG} names a module by a pattern")
    return kept | {"peft_type": "LORA", "task_type": "CAUSAL_LM"}
