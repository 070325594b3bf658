"""A fork moves every address, and the project's files agree on it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts import move_repository as repository
from scripts.move_repository import ROOT, address, text_files

MUST_NAME_THE_ADDRESS = [
    "CITATION.cff",
    "README.md",
    "_config.yml",
    "book/how-to-use.md",
    "book/setup.md",
    "pyproject.toml",
]


@pytest.mark.parametrize("name", MUST_NAME_THE_ADDRESS)
def test_address_is_repeated_faithfully(name: str) -> None:
    assert address() in (ROOT / name).read_text(encoding="utf-8")


def test_buttons_and_citation_lead_to_the_address() -> None:
    config, citation = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        for name in ("_config.yml", "CITATION.cff")
    )
    assert config["repository"]["url"] == address()
    assert citation["repository-code"] == address()


def test_page_on_colab_shows_the_real_first_cell() -> None:
    shown = repository.bootstrap_cell().split("\n", 2)[2]
    page = (ROOT / "book/how-to-use.md").read_text(encoding="utf-8")
    assert shown in page


def test_a_fork_moves_every_address_and_back(tmp_path: Path) -> None:
    old = address()
    new = "https://example.org/group/" + "fork"  # not in this file
    before = {}
    for path in text_files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        before[copy] = path.read_text(encoding="utf-8")
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    changed = repository.move(new + ".git", tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in changed}
    assert names >= set(MUST_NAME_THE_ADDRESS)
    assert address(tmp_path) == new
    kept = re.compile(re.escape(old) + r"(?![\w-])")
    for path in before:
        assert not kept.search(path.read_text(encoding="utf-8")), path
    repository.move(old, tmp_path)
    assert {p: p.read_text(encoding="utf-8") for p in before} == before


@pytest.mark.parametrize(
    "url",
    ["", "me/unitconv", "https://host", 'https://a/b/c"d', "https://a/b"],
)
def test_what_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no repository's address"):
        repository.move(url, tmp_path)
