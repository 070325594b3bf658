"""Loading of models, from safetensors only.

No code that comes with a model is ever run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from unitconv.common.files.json_file import read_object
from unitconv.inference.load.device import pick_device, pick_dtype
from unitconv.inference.load.errors import (
    UNREADABLE,
    ModelError,
    quiet,
    reason_of,
)
from unitconv.inference.weights.catalog import SOURCES, find_weights
from unitconv.inference.weights.hub import (
    exact_name,
    hub_is_reachable,
    split_commit,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Key of `config.json` that marks models pretrained by this library.
PRETRAINED_BY = "pretrained_by"
COURSE_MODEL = Path(__file__).parents[1] / "course_model"

_BAD_FOLDER = "cannot load a model from the folder {!r}: {}"
_NO_MODEL = (
    "no model {!r}: it is no folder here, and the model hub does not have "
    "it or cannot be reached. Use 'course' (shipped with the package), "
    "'smollm2', a folder, or a hub id such as "
    "'HuggingFaceTB/SmolLM2-360M-Instruct'. "
    "({})"
)


def is_course_model(name_or_path: str) -> bool:
    """Return whether a model was pretrained for this course.

    Such a model needs one worked example, and recipes of its own. Copies
    and models of `unitconv pretrain` are known by a key of `config.json`.
    """
    if name_or_path in SOURCES:  # nothing is fetched for this question
        return False
    _, folder = _find_folder(name_or_path)
    if folder is None:
        return False
    try:
        config = read_object(folder / "config.json", ModelError)
    except ModelError:  # `load_model` says what is wrong
        return False
    return PRETRAINED_BY in config


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
        with quiet(progress_bar=not folder):
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source,
                dtype=dtype or pick_dtype(device),
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # see `report`
                **options,
            )
    except UNREADABLE as error:
        problem = _BAD_FOLDER if folder else _NO_MODEL
        message = problem.format(name_or_path, reason_of(error))
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
