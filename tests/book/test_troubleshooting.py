"""The troubleshooting page quotes the messages that the code writes.

A heading `### ` with a message is ours, and changing parts are written as
"…"; a name in brackets behind a message is another program's.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unitconv.common.errors import UnitconvError
from unitconv.inference.load.device import pick_device, pick_dtype
from unitconv.inference.load.model import load_model
from unitconv.inference.reference import token_limit
from unitconv.task.dataset import load_split, read_questions
from unitconv.task.prompts import format_prompt

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "troubleshooting.md").read_text("utf-8")
OURS = re.findall(r"^### `([^`]+)`$", PAGE, re.M)


def pattern(quoted: str) -> re.Pattern[str]:
    """Match a quoted message with anything in place of each "…"."""
    return re.compile(".*".join(map(re.escape, quoted.split("…"))), re.S)


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a Python file, or all of another file."""
    if path.suffix != ".py":
        yield path.read_text()
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…"
                for part in node.values
            )


@pytest.fixture(scope="module")
def written() -> list[str]:
    paths = [
        *(ROOT / "unitconv").rglob("*.py"),
        *(ROOT / "tests").glob("*.py"),
        *(ROOT / "tests" / "book").glob("*.py"),
        ROOT / "Makefile",
    ]
    return [text for path in paths for text in texts(path)]


@pytest.mark.parametrize("quoted", OURS)
def test_a_quoted_message_is_written_by_the_code(
    quoted: str, written: list[str]
) -> None:
    assert OURS.count(quoted) == 1
    assert any(pattern(quoted).search(text) for text in written)


def change_model(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    load_model(str(folder))


MISTAKES: dict[str, Callable[[Path], object]] = {
    "device": lambda folder: pick_device("quantum"),
    "dtype": lambda folder: pick_dtype(pick_device("cpu"), "int3"),
    "model": lambda folder: load_model("nobody/has-this"),
    "empty folder": lambda folder: load_model(str(folder.parent)),
    "weights": lambda folder: change_model(folder, intermediate_size=96),
    "style": lambda folder: format_prompt("6 kg in g?", "zulu"),
    "split": lambda folder: load_split("tset"),
    "data": lambda folder: read_questions(folder / "config.json"),
    "context": lambda folder: token_limit(
        load_model(str(folder))[0], [0] * 96, 1
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_on_the_page_once(
    mistake: str, model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    with pytest.raises(UnitconvError) as caught:
        MISTAKES[mistake](folder)
    quoted = [q for q in OURS if pattern(q).search(str(caught.value))]
    assert len(quoted) == 1, caught.value
