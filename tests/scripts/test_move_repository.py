"""A fork moves every address, and the project's files agree on it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.move_repository import (
    ROOT,
    address,
    bootstrap_cell,
    branch,
    move,
)

MUST_NAME_THE_ADDRESS = [
    "CITATION.cff",
    "README.md",
    "_config.yml",
    "book/how-to-use.md",
    "book/setup.md",
    "pyproject.toml",
]


def test_page_on_colab_shows_the_real_first_cell() -> None:
    shown = bootstrap_cell().split("\n", 2)[2]
    page = (ROOT / "book/how-to-use.md").read_text(encoding="utf-8")
    assert shown in page


def test_a_fork_moves_every_address_and_back(tmp_path: Path) -> None:
    old, new = address(), "https://example.org/group/fork"
    other = tmp_path / "other.md"
    other.write_text(f"{old}-old", encoding="utf-8")
    before = {other: other.read_bytes()}
    for name in [*MUST_NAME_THE_ADDRESS, "notebooks/01_task.ipynb"]:
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy)
        before[copy] = copy.read_bytes()
        assert old.encode() in before[copy]
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    assert {*move(f"{new}.git@2026-fall", tmp_path)} == before.keys()
    assert address(tmp_path) == new
    assert branch(tmp_path) == "2026-fall"
    fetched = (tmp_path / "notebooks/01_task.ipynb").read_text("utf-8")
    assert f'git+{new}@2026-fall\\"' in fetched
    assert f"{new}@" not in (tmp_path / "pyproject.toml").read_text("utf-8")
    move(f"{new}@2027-spring", tmp_path)
    assert branch(tmp_path) == "2027-spring"
    for path in before.keys() - {other}:
        assert old.encode() not in path.read_bytes(), path
    assert other.read_bytes() == before[other]
    move(old, tmp_path)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    "url",
    [
        *["", "me/unitconv", "https://host", 'https://a/b/c"d'],
        *["https://a/b", "https://a/b/c@d e", 'https://a/b/c@"'],
    ],
)
def test_what_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with pytest.raises(SystemExit, match="no repository's address"):
        move(url, tmp_path)
