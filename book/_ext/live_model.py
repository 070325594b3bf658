"""Sphinx extension: write the course model as scripts for the browser.

A page opened from disk can load scripts and nothing else. At the end of a
build, `_static/live/data` gets

- course.js: sizes, tokenizer, prompts and stop rule,
- base.js: the weights of the base, in bfloat16 as they are shipped,
- sft.js, rft.js: an adapter each, in float32, with its scale and prompt.

All of it is read from the package. A file is written again only if what it
is made from has changed, which its first line says.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from unitconv.common.io import write_text
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import (
    ADAPTER_WEIGHTS,
    ADAPTERS,
    shipped_adapters,
    trained_prompt,
)
from unitconv.inference.load.model import COURSE_MODEL
from unitconv.inference.stop import STOP_TEXT
from unitconv.task import prompts

if TYPE_CHECKING:
    from torch import Tensor

#: Where the browser puts what was typed.
SLOT = "{question}"
PRE_TOKENIZERS = [
    {"type": "Digits", "individual_digits": True},
    {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    },
]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def require(config: dict[str, Any], expected: dict[str, Any]) -> None:
    """Stop the build where the browser would compute something else."""
    for key, value in expected.items():
        if config.get(key) != value:
            raise ExtensionError(
                f"the browser's runtime knows {key} {value!r} only, "
                f"not {config.get(key)!r}"
            )


# --- tokenizer, prompts and stop rule -------------------------------------


def tokenizer_data() -> dict[str, Any]:
    """Read the vocabulary by id, the merges and the special tokens."""
    content = read_json(COURSE_MODEL / "tokenizer.json")
    require(content, {"normalizer": None})
    pieces = content["pre_tokenizer"]["pretokenizers"]
    require({"pre-tokenizers": pieces}, {"pre-tokenizers": PRE_TOKENIZERS})
    vocabulary = content["model"]["vocab"]
    return {
        "tokens": sorted(vocabulary, key=vocabulary.__getitem__),
        "merges": [" ".join(pair) for pair in content["model"]["merges"]],
        "special": [token["content"] for token in content["added_tokens"]],
    }


def task_data(llm: LLM) -> dict[str, Any]:
    """Format the prompts with a slot for the question."""
    style_prompts = {
        style: prompts.format_prompt(SLOT, style, llm.tokenizer)
        for style in prompts.STYLES
    }
    ends = llm.model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return {
        "prompts": style_prompts,
        "stopText": STOP_TEXT,
        "stopIds": sorted({llm.tokenizer.eos_token_id, *ends}),
    }


def course_data() -> dict[str, Any]:
    config = read_json(COURSE_MODEL / "config.json")
    require(
        config,
        {
            "model_type": "llama",
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
        },
    )
    require(config["rope_parameters"], {"rope_type": "default"})
    llm = LLM.from_pretrained("course", device="cpu")
    return {
        "config": config,
        "style": llm.style,
        "tokenizer": tokenizer_data(),
        "task": task_data(llm),
    }


# --- weights --------------------------------------------------------------


def tensor_data(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Compress tensors, one after the other, in the format they have.

    Half of the bits would not do for an adapter: at a temperature of 1.5,
    7 of 80 replies were no longer the library's.
    """
    names = sorted(tensors)
    [dtype] = {tensor.dtype for tensor in tensors.values()}
    whole = torch.cat([tensors[name].flatten() for name in names])
    bits = torch.int16 if dtype == torch.bfloat16 else torch.int32
    packed = gzip.compress(whole.view(bits).numpy().tobytes(), mtime=0)
    return {
        "format": str(dtype).removeprefix("torch."),
        "shapes": [[name, list(tensors[name].shape)] for name in names],
        "gzip": base64.b64encode(packed).decode("ascii"),
    }


def base_data() -> dict[str, Any]:
    return tensor_data(load_file(COURSE_MODEL / "model.safetensors"))


def adapter_data(name: str) -> dict[str, Any]:
    """Read a LoRA adapter, with the names of the tensors it changes."""
    folder = ADAPTERS / name
    config = read_json(folder / "adapter_config.json")
    require(
        config,
        {"peft_type": "LORA", "use_dora": False, "use_rslora": False},
    )
    weights = load_file(folder / ADAPTER_WEIGHTS)
    named = {
        key.removeprefix("base_model.model."): value
        for key, value in weights.items()
    }
    return {
        "style": trained_prompt(name),
        "scale": config["lora_alpha"] / config["r"],
        **tensor_data(named),
    }


# --- scripts --------------------------------------------------------------


def digest(*sources: Path) -> str:
    """Hash what a script is made from, this module included."""
    found = hashlib.sha256()
    for path in (Path(__file__), *sources):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in filter(Path.is_file, files):
            found.update(file.read_bytes())
    return found.hexdigest()


def write_script(
    path: Path, sources: str, make: Callable[[], dict[str, Any]]
) -> None:
    """Write a script that hands its data over, unless it is there."""
    first = f"// Made by live_model.py from sources {sources}\n"
    if path.exists():
        with path.open(encoding="utf-8") as file:
            if file.readline() == first:
                return
    data = json.dumps(make(), separators=(",", ":"))
    script = f"window.unitconv.data.{path.stem} = {data};\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(first + script, path)


def write_scripts(folder: Path) -> None:
    """Write all scripts into a folder."""
    package = [Path(prompts.__file__), COURSE_MODEL.parent, COURSE_MODEL]
    write_script(folder / "course.js", digest(*package), course_data)
    base = digest(COURSE_MODEL / "model.safetensors")
    write_script(folder / "base.js", base, base_data)
    for name in shipped_adapters("course"):
        write_script(
            folder / f"{name}.js",
            digest(ADAPTERS / name),
            partial(adapter_data, name),
        )


def finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        write_scripts(Path(app.outdir) / "_static" / "live" / "data")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
