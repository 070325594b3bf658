"""The installed library alone carries a notebook, as it has to on Colab.

A wheel is built and installed into an environment of its own, which borrows
every other package from this one, so that nothing is downloaded. Notebooks
that were copied into an empty folder run there; nothing of the repository
lies beside them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ("01_task", "03_sequential")
LEFT_OUT = shutil.ignore_patterns("__pycache__")

RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
asked = nbformat.v4.new_code_cell("print(unitconv.__file__)")
notebook.cells.append(asked)
NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
print(asked.outputs[0].text)
"""


class Environment:
    """A fresh Python with the wheel in it, and an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "env"
        self.empty = folder / "empty"
        self.empty.mkdir()
        self.python = self.folder / "bin" / "python"
        venv.create(self.folder, symlinks=True)
        # A folder named in a .pth is searched last, and its own .pth files,
        # an editable unitconv among them, are not read.
        [packages] = (self.folder / "lib").glob("*/site-packages")
        borrowed = [p for p in sys.path if p.endswith("-packages")]
        (packages / "borrowed.pth").write_text("\n".join(borrowed))

    def run(self, *arguments: str) -> str:
        """What `python arguments` prints, in the empty folder."""
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        kept = {k: v for k, v in os.environ.items() if k not in hidden}
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=self.empty,
            env=kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


def build_wheel(folder: Path) -> Path:
    """A wheel of the sources as they are, built beside them and not in."""
    source = folder / "source"
    shutil.copytree(ROOT / "unitconv", source / "unitconv", ignore=LEFT_OUT)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "import sys; from setuptools import build_meta as b"
    subprocess.run(
        [sys.executable, "-c", f"{build}; b.build_wheel('..')"],
        cwd=source,
        check=True,
        capture_output=True,
    )
    [wheel] = folder.glob("*.whl")
    shutil.rmtree(source)
    return wheel


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(folder)
    made = Environment(folder)
    offline = ("--no-index", "--no-deps", "--disable-pip-version-check")
    made.run("-m", "pip", "install", *offline, str(wheel))
    return made


def installed(environment: Environment) -> Path:
    where = environment.run(
        "-c", "import unitconv; print(unitconv.__file__)"
    )
    return Path(where).parent


def test_it_is_the_wheel_that_is_imported(environment: Environment) -> None:
    assert installed(environment).is_relative_to(environment.folder)
    assert not installed(environment).is_relative_to(ROOT)


def test_every_file_of_the_package_came_along(
    environment: Environment,
) -> None:
    def files(folder: Path) -> set[str]:
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    came = files(installed(environment))
    assert files(ROOT / "unitconv") == came
    for folder in (
        "inference/course_model",
        "inference/adapters/rft",
        "evaluation/results",
        "task/data",
    ):
        assert any(name.startswith(f"{folder}/") for name in came)


def test_the_command_is_installed(environment: Environment) -> None:
    question = "How many gram are there per 6 kg?"
    script = str(environment.python.with_name("unitconv"))
    reply = environment.run(script, "ask", question, "--adapter", "rft")
    assert "6000" in reply


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_on_it_alone(
    name: str, environment: Environment
) -> None:
    for path in environment.empty.iterdir():
        path.unlink()
    shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", environment.empty)
    used = environment.run("-c", RUN, f"{name}.ipynb")
    assert Path(used).parent == installed(environment)
