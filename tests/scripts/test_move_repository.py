"""The project's own files agree with each other and name no stranger."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import unitconv
from scripts import move_repository as repository
from scripts.book import pages

ROOT = Path(__file__).resolve().parents[2]
MAX_COLUMNS = 76


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load_yaml(name: str) -> Any:
    return yaml.safe_load(read(name))


PROJECT = tomllib.loads(read("pyproject.toml"))
TOC_FILES = pages()


def our_files() -> list[Path]:
    """Every file that is tracked or would be, but not MathJax's."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says what is tracked")
    names = set(listed.stdout.splitlines())
    paths = [ROOT / n for n in sorted(names) if "/mathjax/" not in n]
    return [path for path in paths if path.is_file()]


# --- one version, one list of dependencies ------------------------------


def test_version_is_the_same_everywhere() -> None:
    citation = load_yaml("CITATION.cff")["version"]
    assert citation == PROJECT["project"]["version"]
    assert unitconv.__version__ == PROJECT["project"]["version"]
    assert f"\n## {citation} " in read("CHANGELOG.md")


def test_conda_environment_repeats_no_list() -> None:
    *plain, pip = load_yaml("environment.yml")["dependencies"]
    assert [re.split("[=<>]", name)[0] for name in plain] == [
        "python",
        "pip",
    ]
    assert pip == {"pip": ["-c constraints.txt", "-e .[dev]"]}


def test_constraints_are_pins_and_nothing_else() -> None:
    pin = re.compile(r"[a-z0-9][a-z0-9-]*==[\w.]+( ; .+)?")
    lines = read("constraints.txt").splitlines()
    assert [line for line in lines if not pin.fullmatch(line)] == []
    assert "://" not in read("constraints.txt")


def test_constraints_pin_every_direct_dependency() -> None:
    pinned = {line.split("==")[0] for line in read_lines("constraints.txt")}
    extras = PROJECT["project"]["optional-dependencies"]
    lists = [PROJECT["project"]["dependencies"], *extras.values()]
    asked = [line for lines in lists for line in lines]
    names = {re.split(r"[\[=<>]", line)[0] for line in asked}
    assert names - pinned == {"unitconv"}


def read_lines(name: str) -> list[str]:
    return read(name).splitlines()


def test_constraints_and_makefile_agree_on_torch() -> None:
    wanted = re.search(r"^TORCH +:= (.+)$", read("Makefile"), re.M)
    assert wanted is not None
    assert wanted[1] in read_lines("constraints.txt")


# --- one address --------------------------------------------------------

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
    assert repository.address() in read(name)


def test_launch_buttons_and_citation_lead_to_the_address() -> None:
    url = repository.address()
    assert load_yaml("_config.yml")["repository"]["url"] == url
    assert load_yaml("CITATION.cff")["repository-code"] == url


def test_page_on_colab_shows_the_real_first_cell() -> None:
    shown = repository.bootstrap_cell().split("\n", 2)[2]
    assert shown in read("book/how-to-use.md")


def test_no_other_address_of_ours_stands_anywhere() -> None:
    url = repository.address()
    name = url.rsplit("/", 1)[-1]
    ours = re.compile(rf"https://[\w./-]+/{re.escape(name)}\b(?![\w-])")
    for path in repository.text_files():
        if path.is_relative_to(ROOT / "tests"):
            continue
        found = set(ours.findall(path.read_text(encoding="utf-8")))
        examples = {"https://github.com/me/unitconv"}
        assert found - examples <= {url}, path


def test_a_fork_moves_every_address(tmp_path: Path) -> None:
    old = repository.address()
    new = "https://example.org/group/" + "fork"  # not in this file
    for path in repository.text_files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    before = {
        path: path.read_text() for path in repository.text_files(tmp_path)
    }
    changed = repository.move(new + ".git", tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in changed}
    assert names >= set(MUST_NAME_THE_ADDRESS)
    assert repository.address(tmp_path) == new
    assert new in repository.bootstrap_cell(tmp_path)
    for path in repository.text_files(tmp_path):
        assert old not in path.read_text(), path
    repository.move(old, tmp_path)
    after = {
        path: path.read_text() for path in repository.text_files(tmp_path)
    }
    assert after == before, "moving there and back changes nothing"


@pytest.mark.parametrize(
    "url",
    ["", "me/unitconv", "https://host", 'https://a/b/c"d', "https://a/b"],
)
def test_what_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no repository's address"):
        repository.move(url, tmp_path)


# --- the book's parts ---------------------------------------------------


@pytest.mark.parametrize("name", TOC_FILES)
def test_page_of_the_contents_exists(name: str) -> None:
    found = [s for s in (".md", ".ipynb") if (ROOT / (name + s)).exists()]
    assert len(found) == 1


def test_every_notebook_is_a_pair_and_in_the_contents() -> None:
    folder = ROOT / "notebooks"
    scripts = {path.stem for path in folder.glob("*.py")}
    notebooks = {path.stem for path in folder.glob("*.ipynb")}
    in_contents = {
        name.removeprefix("notebooks/")
        for name in TOC_FILES
        if name.startswith("notebooks/")
    }
    assert scripts == notebooks == in_contents


# --- the Makefile -------------------------------------------------------


def test_help_lists_every_job() -> None:
    makefile = read("Makefile").replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)
    assert phony is not None
    jobs = set(phony[1].split()) - {"force"}
    # `make test` hands its own flags down; they are not for this one.
    ours = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    shown = subprocess.run(
        ["make", "help"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in ours},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {line.split()[0] for line in shown.splitlines()[1:]} == jobs


# --- what must not be in any file ---------------------------------------


def test_pages_and_settings_fit_the_line() -> None:
    names = ["Makefile", *(p.name for p in ROOT.glob("*.md"))]
    names += [f"book/{path.name}" for path in ROOT.glob("book/*.md")]
    long = [
        f"{name}: {line}"
        for name in names
        for line in read_lines(name)
        if len(line) > MAX_COLUMNS
    ]
    assert long == []


def test_no_file_names_a_registry_or_a_path_of_a_machine() -> None:
    # Written in pieces, so that this file does not name them either.
    forbidden = [
        "py" + "pi.org",
        "python" + "hosted",
        "npm" + "js",
        "deb." + "debian",
        "/ro" + "ot/",
        "/ho" + "me/",
        "/wo" + "rk/",
        "/Us" + "ers/",
        "/op" + "t/",
        ".lib" + "rary",
    ]
    for path in our_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # weights and fonts
        assert [word for word in forbidden if word in text] == [], path


def test_no_file_can_run_code_when_it_is_loaded() -> None:
    pickled = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib"}
    assert [p for p in our_files() if p.suffix in pickled] == []
