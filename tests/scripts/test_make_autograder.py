"""The zip for Gradescope holds a grader, and no solution."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import jupytext
import pytest
from pydantic import BaseModel, ConfigDict

from experiments.hostile import chapter as small
from experiments.hostile.submission import notebook
from scripts.grading.chapter import read_chapter
from scripts.make_autograder import main
from scripts.move_repository import ROOT

CHAPTER = ROOT / "notebooks" / "01_task.py"


class Strict(BaseModel):
    """A record without other fields, whose numbers are no texts."""

    model_config = ConfigDict(extra="forbid", strict=True)


Visibility = Literal[
    "hidden", "after_due_date", "after_published", "visible"
]


class Test(Strict):
    """A test as Gradescope's specification of results.json has it."""

    __test__ = False
    score: float
    max_score: float | None = None
    name: str | None = None
    number: str | None = None
    output: str | None = None
    tags: list[str] | None = None
    visibility: Visibility = "visible"
    extra_data: dict[str, object] | None = None


class Results(Strict):
    """The whole of results.json, by the same specification."""

    score: float
    execution_time: float | None = None
    output: str | None = None
    visibility: Visibility | None = None
    stdout_visibility: Visibility | None = None
    extra_data: dict[str, object] | None = None
    tests: list[Test]
    leaderboard: list[dict[str, object]] | None = None


def unzip(archive: Path, folder: Path) -> None:
    """Extract files with their modes, as `unzip` does."""
    with ZipFile(archive) as opened:
        for info in opened.infolist():
            path = Path(opened.extract(info, folder))
            path.chmod(info.external_attr >> 16 & 0o777)


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A folder laid out like Gradescope's /autograder, with small.zip."""
    script, hidden = tmp_path / "small.py", tmp_path / "hidden.py"
    script.write_text(small.script(), "utf-8")
    hidden.write_text(small.HIDDEN, "utf-8")
    made = ["--hidden", str(hidden), "--output", str(tmp_path)]
    main([str(script), *made])
    container = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (container / name).mkdir(parents=True)
    unzip(tmp_path / "small.zip", container / "source")
    (container / "source").chmod(0o700)
    # What setup.sh installs is in this environment.
    (container / "venv").symlink_to(sys.prefix)
    return container


def run(container: Path) -> Results:
    """Give `run_autograder` nothing but its own folder."""
    told = subprocess.run(
        [container / "source" / "run_autograder"],
        cwd=container,
        env={"AUTOGRADER": str(container), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    made = (container / "results" / "results.json").read_text("utf-8")
    return Results.model_validate_json(made)


@pytest.mark.slow
def test_container_grades_a_submission(container: Path) -> None:
    inside = container / "submission" / "my work"
    inside.mkdir()
    (inside / "one.ipynb").write_bytes(
        notebook([*small.SOLVED[:3], "square = lambda x: x * abs(x)"])
    )
    (inside / "._one.ipynb").write_bytes(b"\0\5\26\7")  # of macOS
    found = run(container)
    assert [(one.score, one.max_score) for one in found.tests] == [
        (1, 1),
        (1, 1),
        *[(1, 1)] * 2,
        (2, 3),
    ]
    assert found.score == 6
    shown = [one.visibility for one in found.tests]
    assert shown == ["visible"] * 2 + ["after_published"] * 2 + ["visible"]
    told = found.tests[-1].output or ""
    assert "the square of -3" in told


@pytest.mark.slow
def test_container_has_results_without_a_notebook(container: Path) -> None:
    (container / "submission" / "one.py").write_text("x = 1", "utf-8")
    found = run(container)
    assert (found.score, found.output) == (0, "there is no notebook")
    assert sum(one.max_score or 0 for one in found.tests) == 5


def test_scripts_are_bash_and_can_be_executed(container: Path) -> None:
    source = container / "source"
    for name in ("setup.sh", "run_autograder"):
        assert os.access(source / name, os.X_OK)
        subprocess.run(["bash", "-n", source / name], check=True)
    required = (source / "requirements.txt").read_text("utf-8").split()
    pinned = (source / "constraints.txt").read_text("utf-8")
    for line in [*required, "torch"]:
        assert f"{line.split('>')[0]}==" in pinned


def test_torch_can_come_from_another_index(tmp_path: Path) -> None:
    index = "https://example.org/cpu"
    main(["1", "--torch-index", index, "--output", str(tmp_path)])
    with ZipFile(tmp_path / "01_task.zip") as archive:
        setup = archive.read("setup.sh").decode()
    assert f"-c constraints.txt --index-url {index} torch\n" in setup


def test_only_chapters_that_load_weights_fetch_them(
    tmp_path: Path,
) -> None:
    main(["1", "12", "--output", str(tmp_path)])
    fetch = "-m unitconv download smollm2-q4_1\n"
    fetches = {}
    for path in tmp_path.glob("*.zip"):
        with ZipFile(path) as archive:
            setup = archive.read("setup.sh").decode()
        fetches[path.stem] = fetch in setup
    assert fetches == {"01_task": False, "12_smollm2": True}


def test_zip_asks_what_the_chapter_asks(tmp_path: Path) -> None:
    main(["1", "--output", str(tmp_path)])
    with ZipFile(tmp_path / "01_task.zip") as archive:
        archive.extractall(tmp_path)
    found, course = (
        read_chapter(tmp_path / "chapter.ipynb"),
        read_chapter(CHAPTER),
    )
    assert (found.cells, found.exercises) == (
        course.cells,
        course.exercises,
    )


def test_zip_has_no_line_that_stands_only_in_solutions(
    tmp_path: Path,
) -> None:
    main(["1", "--output", str(tmp_path)])
    with ZipFile(tmp_path / "01_task.zip") as archive:
        cells = json.loads(archive.read("chapter.ipynb"))["cells"]
    given = "\n".join("".join(cell["source"]) for cell in cells)
    inside = False
    for cell in jupytext.read(CHAPTER).cells:
        inside |= "{solution-start}" in cell.source
        if inside and "attempt(" not in cell.source:
            assert cell.source not in given
        inside &= "{solution-end}" not in cell.source
