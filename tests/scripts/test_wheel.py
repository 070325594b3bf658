"""The wheel holds the whole library and works alone, as it must on Colab.

It is installed into an environment of its own, which borrows every other
package from this one, so that nothing is downloaded.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = "from setuptools import build_meta as b; b.build_wheel('..')"

pytestmark = pytest.mark.slow


def build_wheel(folder: Path) -> Path:
    """Build from a copy of the sources, so that nothing is left in them."""
    source = folder / "source"
    shutil.copytree(
        ROOT / "unitconv",
        source / "unitconv",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=source,
        check=True,
        capture_output=True,
    )
    [wheel] = folder.glob("*.whl")
    return wheel


def run(*command: str, folder: Path) -> str:
    """Return what a command prints, in a folder with nothing of ours."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if k not in hidden}
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def package_files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_is_complete_and_answers_a_question(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    environment, empty = tmp_path / "env", tmp_path / "empty"
    empty.mkdir()
    venv.create(environment, symlinks=True)
    # A folder named in a .pth is searched last, and its own .pth files, an
    # editable unitconv among them, are not read.
    [packages] = (environment / "lib").glob("*/site-packages")
    borrowed = [path for path in sys.path if path.endswith("-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed))
    python = str(environment / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--no-index", "--no-deps"]
    run(*pip, str(wheel), folder=empty)

    code = "import unitconv; print(unitconv.__file__)"
    installed = Path(run(python, "-c", code, folder=empty)).parent
    assert installed == packages / "unitconv"
    files = package_files(installed)
    assert files == package_files(ROOT / "unitconv")
    assert "inference/course_model/model.safetensors" in files

    command = str(environment / "bin" / "unitconv")
    question = "How many gram are there per 6 kg?"
    reply = run(command, "ask", question, "--adapter", "rft", folder=empty)
    assert "6000" in reply
