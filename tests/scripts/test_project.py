"""The project's own files agree with each other, and keep its rules."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import unitconv
from scripts.book import pages, read_yaml
from scripts.move_repository import ROOT


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]


def tracked_files() -> list[Path]:
    """Return the files that git tracks or would, without MathJax."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says what is tracked")
    names = sorted(set(listed.stdout.splitlines()))
    paths = [ROOT / name for name in names if "/mathjax/" not in name]
    return [path for path in paths if path.is_file()]


def test_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    assert read_yaml("CITATION.cff")["version"] == version
    assert unitconv.__version__ == version
    assert f"\n## {version} " in read("CHANGELOG.md")


def test_constraints_pin_every_dependency_and_name_no_index() -> None:
    lines = read("constraints.txt").splitlines()
    pin = re.compile(r"[a-z0-9][a-z0-9-]*==[\w.]+( ; .+)?")
    assert [line for line in lines if not pin.fullmatch(line)] == []
    pinned = {line.split("==")[0] for line in lines}
    extras = PROJECT["optional-dependencies"].values()
    asked = sum(extras, PROJECT["dependencies"])
    names = {re.split(r"[\[=<>]", line)[0] for line in asked}
    assert names - pinned == {"unitconv"}


def test_torch_and_conda_repeat_no_other_version() -> None:
    torch = re.search(r"^TORCH +:= (.+)$", read("Makefile"), re.M)
    assert torch is not None
    assert torch[1] in read("constraints.txt").splitlines()
    *plain, pip = read_yaml("environment.yml")["dependencies"]
    assert [name.split("=")[0] for name in plain] == ["python", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[dev]"]}


def test_every_notebook_is_a_pair_and_in_the_contents() -> None:
    folder = ROOT / "notebooks"
    chapters = [name for name in pages() if name.startswith("notebooks/")]
    in_contents = {Path(name).stem for name in chapters}
    for suffix in (".py", ".ipynb"):
        stems = {path.stem for path in folder.glob(f"*{suffix}")}
        assert stems == in_contents


def test_lines_of_pages_and_settings_fit() -> None:
    paths = [ROOT / "Makefile", *ROOT.glob("*.md"), *ROOT.glob("book/*.md")]
    long = [
        f"{path.name}: {line}"
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
        if len(line) > 76
    ]
    assert long == []


def test_no_file_names_a_registry_or_a_path_of_a_machine() -> None:
    # Written in pieces, so that this file does not name them either.
    registries = ["py" + "pi.org", "python" + "hosted", "npm" + "js"]
    folders = [
        "ro" + "ot",
        "ho" + "me",
        "wo" + "rk",
        "Us" + "ers",
        "op" + "t",
    ]
    forbidden = [*registries, "deb." + "debian", ".lib" + "rary"]
    forbidden += [f"/{folder}/" for folder in folders]
    pickled = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib"}
    for path in tracked_files():
        assert path.suffix not in pickled, f"{path} can run code"
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert [word for word in forbidden if word in text] == [], path
