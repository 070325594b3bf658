"""Each notebook and its .py say the same, and open well on Colab."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

from scripts.move_repository import address, bootstrap_cell
from scripts.notebook_digest import find_changes
from scripts.run_notebooks import normalize

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*.py"))

every_notebook = pytest.mark.parametrize("stem", STEMS)


def script(stem: str) -> Any:
    return jupytext.read(FOLDER / f"{stem}.py")


def notebook(stem: str) -> Any:
    return nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4)


def contents(cells: list[Any]) -> list[tuple[str, str, list[str]]]:
    return [
        (cell.cell_type, cell.source, cell.metadata.get("tags", []))
        for cell in cells
    ]


def code_cells(stem: str) -> list[Any]:
    cells = notebook(stem).cells
    return [cell for cell in cells if cell.cell_type == "code"]


@every_notebook
def test_pair_says_the_same(stem: str) -> None:
    assert contents(script(stem).cells) == contents(notebook(stem).cells), (
        "the pair differs: run `make notebooks`"
    )


@every_notebook
def test_source_has_no_header_and_its_lines_fit(stem: str) -> None:
    text = (FOLDER / f"{stem}.py").read_text(encoding="utf-8")
    assert text.startswith("# %%")
    long = [
        line
        for cell in notebook(stem).cells
        if cell.source != bootstrap_cell()  # a fork's address may be long
        for line in cell.source.splitlines()
        if len(line) > 76
    ]
    assert long == []


@every_notebook
def test_every_cell_was_executed_in_order_and_none_failed(
    stem: str,
) -> None:
    cells = code_cells(stem)
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    failed = [
        cell.source
        for cell in cells
        if "raises-exception" not in cell.metadata.get("tags", [])
        and any(output.output_type == "error" for output in cell.outputs)
    ]
    assert failed == []


@every_notebook
def test_nothing_in_the_file_changes_from_run_to_run(stem: str) -> None:
    stored = notebook(stem)
    stable = normalize(notebook(stem))
    assert nbformat.writes(stored) == nbformat.writes(stable), (
        "times, ids or versions were stored: run `make notebooks`"
    )


@every_notebook
def test_outputs_are_those_of_the_present_code(stem: str) -> None:
    assert find_changes(notebook(stem)) == [], (
        "changed since the notebook was executed: run `make notebooks`"
    )


@every_notebook
def test_outputs_ask_nothing_of_another_host(stem: str) -> None:
    text = (FOLDER / f"{stem}.ipynb").read_text()
    assert "widget-view" not in text
    assert not re.search(r"<script[^>]+src=", text)


@every_notebook
def test_first_code_cell_fetches_the_library(stem: str) -> None:
    first = code_cells(stem)[0]
    assert first.source == bootstrap_cell()
    assert first.metadata.get("tags") == ["remove-cell"]


def test_bootstrap_installs_only_the_missing_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> None:
        assert check, "a failed install must not pass unnoticed"
        commands.append(command)

    monkeypatch.setattr(subprocess, "run", run)
    exec(bootstrap_cell(), {})
    assert commands == []
    # None makes Python believe that there is no such module.
    monkeypatch.setitem(sys.modules, "unitconv", None)
    exec(bootstrap_cell(), {})
    # No --upgrade and no other package: torch and numpy stay as they are.
    library = f"unitconv @ git+{address()}"
    pip = [sys.executable, "-m", "pip", "install", "-q", library]
    assert commands == [pip]
