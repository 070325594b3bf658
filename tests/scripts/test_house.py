"""The library stays small: its folders, files, functions and calls."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.move_repository import ROOT

LIBRARY = ROOT / "unitconv"
FILES = sorted(LIBRARY.rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES} - {LIBRARY})


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def offences(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if (length := len(text.splitlines())) > 300:
        yield f"{length} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            # The signature of a command is its table of options.
            limit = 60 if "cli" in path.parts else 50
            span = (node.end_lineno or 0) - node.lineno + 1
            if span > limit:
                yield f"line {node.lineno}: {node.name} has {span} lines"
        elif isinstance(node, ast.Call):
            for argument in node.args:
                if isinstance(argument, ast.Starred) and isinstance(
                    argument.value, ast.Tuple
                ):
                    yield f"line {node.lineno}: a tuple is unpacked"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    assert [*offences(path)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_folder_has_three_to_eight_files(folder: Path) -> None:
    files = [p for p in folder.glob("*.py") if not p.stem.startswith("__")]
    assert 3 <= len(files) <= 8
