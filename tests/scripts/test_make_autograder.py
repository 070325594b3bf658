"""The zip for Gradescope holds a grader, and no solution."""

import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import jupytext
import pytest

from scripts.grading.chapter import read_chapter
from scripts.make_autograder import main
from scripts.move_repository import ROOT

CHAPTER = ROOT / "notebooks" / "01_task.py"


@pytest.mark.slow
def test_zip_grades_what_the_chapter_asks(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden.py"
    hidden.write_text("def check_leak_none(f): pass\n", "utf-8")
    output = tmp_path / "out"
    main(["1", "--hidden", str(hidden), "--output", str(output)])
    with ZipFile(output / "01_task.zip") as archive:
        archive.extractall(tmp_path / "in")
    inside = tmp_path / "in"
    run = (inside / "run_autograder").read_text("utf-8")
    for name in ("hidden.py", "chapter.ipynb"):
        assert name in run
        assert (inside / name).is_file()
    assert (inside / "hidden.py").read_bytes() == hidden.read_bytes()
    found, course = (
        read_chapter(inside / "chapter.ipynb"),
        read_chapter(CHAPTER),
    )
    assert (found.cells, found.exercises) == (
        course.cells,
        course.exercises,
    )
    required = (inside / "requirements.txt").read_text("utf-8").split()
    pinned = (inside / "constraints.txt").read_text("utf-8")
    for line in required:
        assert f"{line.split('>')[0]}==" in pinned
    where = {"PYTHONPATH": str(inside)}
    told = subprocess.run(
        [sys.executable, "-m", "scripts.grade_submissions", "--help"],
        cwd=inside,
        env=os.environ | where,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert "--gradescope" in told.stdout


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
