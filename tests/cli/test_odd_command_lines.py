"""Odd command lines: no traceback, the right exit code, a clear line.

`odd_command_lines.txt` has one a line, with its exit code and a piece of
what it prints on stderr. `TINY` stands for the options of a small model.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.move_repository import ROOT
from tests.cli import odd_files
from unitconv.cli import app

TABLE = Path(__file__).with_name("odd_command_lines.txt")
LINES = [
    line.split("|", 2)
    for line in TABLE.read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
STANDS_FOR = {
    "Q": [odd_files.QUESTION],
    "LONG": ["x" * 2000],
    "SURROGATE": ["\udcff"],
    "TINY": ["--model", "tiny", "--prompt", "raw"],
}


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, model_folder: Path
) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    odd_files.make(folder, model_folder)
    return folder


@pytest.fixture(autouse=True)
def _in_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("UNITCONV_CACHE", str(folder / "cache"))
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    before = listing(folder)
    yield
    assert listing(folder) == before  # nothing is written or removed


def listing(folder: Path) -> list[tuple[Path, int]]:
    return sorted(
        (path, path.stat().st_size)
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    )


def arguments(line: str) -> list[str]:
    parts = [STANDS_FOR.get(part, [part]) for part in shlex.split(line)]
    return [argument for part in parts for argument in part]


def test_there_are_many() -> None:
    assert len({line for _, _, line in LINES}) == len(LINES) >= 150


@pytest.mark.parametrize(
    ("code", "piece", "line"), LINES, ids=[line for _, _, line in LINES]
)
def test_an_odd_command_line(code: str, piece: str, line: str) -> None:
    result = CliRunner().invoke(
        app, arguments(line), env={"COLUMNS": "300"}, color=False
    )
    assert result.exit_code == int(code), result.output
    assert "Traceback" not in result.output
    assert piece in result.output
    if code != "0":
        assert result.stdout == "" or not line


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [
        "nosuch",
        "evaluate --data deep.json",
        "rft -o x --data digits-triple.json",
        "ask Q --model headless",
        "rollouts -o null.json --data good.json TINY",
    ],
)
def test_a_real_process_says_the_same(chosen: str, folder: Path) -> None:
    [(code, piece)] = [(c, p) for c, p, line in LINES if line == chosen]
    done = subprocess.run(
        [sys.executable, "-m", "unitconv.cli", *arguments(chosen)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "300"},
        cwd=folder,
    )
    assert (done.returncode, done.stdout) == (int(code), "")
    assert piece in done.stderr
    assert "Traceback" not in done.stderr
