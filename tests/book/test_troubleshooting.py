"""The messages that the troubleshooting page quotes are those we write.

A heading `### ` with a message is ours, and changing parts stand as "…";
one with a name in brackets behind it is another program's.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unitconv.inference.kv_cache import CachePlan, bytes_per_token
from unitconv.inference.load import (
    ADAPTERS,
    load_adapter,
    load_model,
    pick_device,
    pick_dtype,
)
from unitconv.inference.reference import token_limit
from unitconv.task.dataset import load_split, read_questions
from unitconv.task.prompts import format_prompt
from unitconv.training import examples as finetuning
from unitconv.training import rollouts
from unitconv.training import trainer as training
from unitconv.training.lora import TrainingSettings, check_budget
from unitconv.training.loss_mask import make_row

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "troubleshooting.md").read_text("utf-8")
OURS = re.findall(r"^### `([^`]+)`$", PAGE, re.M)


def pattern(quoted: str) -> re.Pattern[str]:
    """What a quoted message matches: anything in place of each "…"."""
    pieces = quoted.split("…")
    return re.compile(".*".join(map(re.escape, pieces)), re.S)


def texts(path: Path) -> Iterator[str]:
    """The strings of a file, those of a Makefile being all of it."""
    if path.suffix != ".py":
        yield path.read_text()
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value
                if isinstance(part, ast.Constant)
                and isinstance(part.value, str)
                else "…"
                for part in node.values
            )


@pytest.fixture(scope="module")
def written() -> list[str]:
    paths = [
        *(ROOT / "unitconv").rglob("*.py"),
        ROOT / "tests" / "test_book.py",
        ROOT / "tests" / "built.py",
        ROOT / "Makefile",
    ]
    return [text for path in paths for text in texts(path)]


def test_the_page_quotes_messages() -> None:
    assert len(OURS) > 25
    assert len(set(OURS)) == len(OURS)


@pytest.mark.parametrize("quoted", OURS)
def test_a_quoted_message_stands_in_the_source(
    quoted: str, written: list[str]
) -> None:
    assert any(pattern(quoted).search(text) for text in written)


# --- and is what a person meets -----------------------------------------


def settings(**changes: Any) -> TrainingSettings:
    fixed: dict[str, Any] = {
        "dropout": 0.0,
        "learning_rate": 1e-3,
        "epochs": 1,
        "max_adapter_mb": 20.0,
    }
    return TrainingSettings(**(fixed | changes))


class Desk:
    """What the mistakes below are made with."""

    def __init__(self, folder: Path, tmp: Path, tokenizer: Any) -> None:
        self.tmp = tmp
        self.tokenizer = tokenizer
        self.model, _ = load_model(str(folder))
        self.folder = tmp / "copy"
        shutil.copytree(folder, self.folder)
        self.adapter = tmp / "adapter"
        shutil.copytree(ADAPTERS / "sft", self.adapter)

    def file(self, text: str) -> Path:
        path = self.tmp / "mine.json"
        path.write_text(text)
        return path

    def train(self, **changes: Any) -> Any:
        row = make_row(self.tokenizer, "a", " b")
        resume = changes.pop("resume", False)
        folder = self.tmp / "training"
        return training._check_run(
            folder, settings(**changes), [row], resume
        )


def truncated(desk: Desk) -> Any:
    weights = desk.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return load_model(str(desk.folder))


def pickled(desk: Desk) -> Any:
    weights = desk.folder / "model.safetensors"
    weights.rename(desk.folder / "pytorch_model.bin")
    return load_model(str(desk.folder))


def reshaped(desk: Desk) -> Any:
    path = desk.folder / "config.json"
    config = json.loads(path.read_text()) | {"intermediate_size": 96}
    path.write_text(json.dumps(config))
    return load_model(str(desk.folder))


def broken_adapter(desk: Desk) -> Any:
    (desk.adapter / "adapter_config.json").write_text('{\n"r": }')
    return load_adapter(desk.model, desk.adapter)


def without_template(desk: Desk) -> Any:
    tokenizer = type("Plain", (), {"chat_template": None})()
    return format_prompt("6 kg in g?", "cot", tokenizer)


def twice(desk: Desk) -> Any:
    desk.train()
    return desk.train()


def changed(desk: Desk) -> Any:
    desk.train()
    return desk.train(learning_rate=2e-3, resume=True)


def no_record(desk: Desk) -> Any:
    return rollouts.read_records(desk.file("one\ntwo\n"))


def not_utf8(desk: Desk) -> Any:
    path = desk.tmp / "latin.json"
    path.write_bytes('[["3 m² in cm²?", 30000]]'.encode("latin-1"))
    return read_questions(path)


MISTAKES: dict[str, Callable[[Desk], Any]] = {
    "no device": lambda desk: pick_device("quantum"),
    "dtype": lambda desk: pick_dtype(desk.model.device, "int3"),
    "hub": lambda desk: load_model("nobody/has-this"),
    "safetensors cut off": truncated,
    "a pickle": pickled,
    "another shape": reshaped,
    "an empty folder": lambda desk: load_model(str(desk.tmp)),
    "no adapter": lambda desk: load_adapter(desk.model, desk.tmp),
    "adapter of another base": lambda desk: load_adapter(
        desk.model, desk.adapter
    ),
    "adapter's JSON": broken_adapter,
    "no chat template": without_template,
    "style": lambda desk: format_prompt("6 kg in g?", "zulu"),
    "JSON": lambda desk: read_questions(desk.file('[["a", 1],\n["b"')),
    "JSON of triples": lambda desk: finetuning.read_triples(
        desk.file("[[1, 2,]")
    ),
    "encoding": not_utf8,
    "no list": lambda desk: read_questions(desk.file('{"a": 1}')),
    "no pair": lambda desk: read_questions(desk.file('[["a"]]')),
    "no number": lambda desk: read_questions(desk.file('[["a", "1"]]')),
    "split": lambda desk: load_split("tset"),
    "context": lambda desk: token_limit(desk.model, [0] * 96, 1),
    "memory": lambda desk: CachePlan(
        1, 64, 0, bytes_per_token(desk.model.config, desk.model.dtype)
    ).fit(100),
    "trained already": twice,
    "nothing to resume": lambda desk: desk.train(resume=True),
    "other settings": changed,
    "too large": lambda desk: check_budget(
        desk.model, settings(rank=64, max_adapter_mb=0.01)
    ),
    "row too long": lambda desk: make_row(
        desk.tokenizer, "a" * 50, " b", max_length=20
    ),
    "no rollouts": no_record,
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_the_words_of_the_page(
    mistake: str, model_folder: Path, tmp_path: Path, byte_tokenizer: Any
) -> None:
    desk = Desk(model_folder, tmp_path, byte_tokenizer)
    with pytest.raises((ValueError, RuntimeError)) as caught:
        MISTAKES[mistake](desk)
    message = str(caught.value)
    found = [quoted for quoted in OURS if pattern(quoted).search(message)]
    assert len(found) == 1, message
