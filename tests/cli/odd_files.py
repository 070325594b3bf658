"""Files that a person might give to a command by mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from unitconv.inference.load.adapter import ADAPTERS
from unitconv.inference.load.model import COURSE_MODEL

QUESTION = "How many gram are there per 6 kg?"
TRIPLE = [QUESTION, 6000, "1 kg = 1000 g. 6 * 1000 = 6000."]
FILES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "html": b"<!doctype html>\n",
    "list": b"[]",
    "null": b"null",
    "object": b"{}",
    "number": b"-0.0",
    "nan": b'[["a", NaN]]',
    "infinity": b'[["a", -Infinity]]',
    "overflow": b'[["a", 1e400]]',
    "digits": b'[["a", 1' + b"0" * 5000 + b"]]",
    "text-answer": b'[["a", "six"]]',
    "true-answer": b'[["a", true]]',
    "null-answer": b'[["a", null]]',
    "one-column": b'[["a"]]',
    "three-columns": b'[["a", 1, "b"]]',
    "empty-question": b'[["", 1]]',
    "long": json.dumps([[QUESTION, 6000], ["x" * 2000, 1]]).encode(),
    "deep": b"[" * 100_000,
    "latin1": '[["café", 1]]'.encode("latin-1"),
    "utf16": '[["a", 1]]'.encode("utf-16"),
    "surrogate": rb'[["\ud800", 1]]',
    "cut": b'[["a", 1], ["b',
    "good": json.dumps([[QUESTION, 6000]]).encode(),
    "triples": json.dumps([TRIPLE]).encode(),
    "nan-triple": b'[["a", NaN, "x"]]',
    "digits-triple": b'[["a", 1' + b"0" * 400 + b', "x"]]',
    "surrogate-triple": rb'[["\ud800", 1, "x"]]',
    "taken": b"[]",
}


def make(folder: Path, model: Path) -> None:
    """Write the files, some folders, and copies of a model."""
    for name, content in FILES.items():
        (folder / f"{name}.json").write_bytes(content)
    (folder / "empty.json.gz").write_bytes(b"")
    (folder / "no-gzip.json.gz").write_bytes(FILES["good"])
    (folder / "null.jsonl").write_bytes(b"null\n")
    (folder / "taken.jsonl").write_bytes(b"It was a dark night.\n")
    for name in ("folder", "folder.json", "begun"):
        (folder / name).mkdir()
    (folder / "begun" / "run.json").write_text("{}")
    (folder / "broken_module.py").write_text("1 / 0\n")
    (folder / "half.py").write_text("task = object()\nreward = 3\n")
    shutil.copytree(model, folder / "tiny")
    make_models(folder, model)
    make_adapters(folder)


def make_models(folder: Path, model: Path) -> None:
    """Copy a model, and break one file of each copy."""
    config = json.loads((model / "config.json").read_text())
    template = "{{ messages.__class__.__mro__ }}"
    changes = {
        "headless": {"config.json": config | {"num_attention_heads": 0}},
        "unknown-kind": {"config.json": {"model_type": "nosuch"}},
        "list-config": {"config.json": []},
        "no-config": {"config.json": None},
        "no-weights": {"model.safetensors": None},
        "no-tokenizer": {
            "tokenizer.json": None,
            "tokenizer_config.json": None,
        },
        "unsafe-template": {"chat_template.jinja": template},
        "broken-template": {"chat_template.jinja": "{% for %}"},
    }
    for name, files in changes.items():
        shutil.copytree(model, folder / name)
        for file, content in files.items():
            path = folder / name / file
            if content is None:
                path.unlink()
            elif isinstance(content, str):
                path.write_text(content)
            else:
                path.write_text(json.dumps(content))
    shutil.copytree(model, folder / "cut-weights")
    weights = folder / "cut-weights" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    shutil.copytree(model, folder / "pickled")
    weights = folder / "pickled" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    shutil.copytree(COURSE_MODEL, folder / "course-copy")


def make_adapters(folder: Path) -> None:
    """Copy an adapter, and break one file of each copy."""
    for name in ("cut-adapter", "bare-adapter", "odd-adapter"):
        shutil.copytree(ADAPTERS / "sft", folder / name)
    weights = folder / "cut-adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    (folder / "bare-adapter" / "adapter_model.safetensors").unlink()
    (folder / "odd-adapter" / "adapter_config.json").write_text("[]")
