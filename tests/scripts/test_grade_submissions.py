"""Grading runs what was handed in, and trusts only the course's checks."""

from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pandas as pd
import pytest

from scripts.grade_submissions import checks, grade, main

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*.py"))

CHAPTER = """\
# %%
from unitconv.common.exercises import attempt

# %% tags=["exercise"]
LIMIT = 3
one = 0


def check_one(one):
    assert one == 1, "one is another number"


attempt(check_one, one)


# %% tags=["exercise"]
def double(x):
    raise NotImplementedError


def check_double(double):
    assert double(LIMIT) == 6, "double another way"


attempt(check_double, double)
"""
SOLVED = CHAPTER.replace("one = 0", "one = 1").replace(
    "raise NotImplementedError", "return 2 * x"
)
EDITED = CHAPTER.replace("one == 1", "True").replace("= 3", "= 0")
WITHOUT_THE_FIRST = CHAPTER.replace(
    "attempt(check_one, one)\n", ""
).replace("LIMIT = 3", "")


def read(script: str) -> Any:
    return jupytext.reads(script, fmt="py:percent")


@pytest.mark.parametrize(
    ("handed_in", "one", "double"),
    [
        (
            CHAPTER,
            "Not yet: one is another number.",
            "Not yet: nothing is written here.",
        ),
        (SOLVED, "Solved.", "Solved."),
        (
            EDITED + '\n\n# %%\nprint("Solved.")\n',
            "Not yet: one is another number.",
            "Not yet: nothing is written here.",
        ),
        (WITHOUT_THE_FIRST, "not found", "NameError"),
    ],
)
def test_verdict_of_each_exercise(
    handed_in: str, one: str, double: str
) -> None:
    verdicts = grade(read(handed_in), read(CHAPTER))
    assert verdicts == {"check_one": one, "check_double": double}


@pytest.mark.parametrize("stem", STEMS)
def test_every_check_of_the_course_can_be_run_alone(stem: str) -> None:
    chapter = jupytext.read(FOLDER / f"{stem}.py")
    starters = [
        cell.source
        for cell in chapter.cells
        if "exercise" in cell.metadata.get("tags", [])
    ]
    code_by_check = checks(chapter)
    assert len(code_by_check) == len(starters) >= 3
    for name, code in code_by_check.items():
        assert f"def {name}(" in code
        assert "NotImplementedError" not in code


def test_command_prints_and_tabulates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "chapter.py"
    script.write_text(CHAPTER, encoding="utf-8")
    one = CHAPTER.replace("one = 0", "one = 1")
    for name, text in (("ada, b.", one), ("zoë", CHAPTER)):
        (tmp_path / name).mkdir()
        nbformat.write(read(text), tmp_path / name / "chapter.ipynb")
    handed_in = sorted(str(path) for path in tmp_path.glob("*/*.ipynb"))
    table = tmp_path / "marks.csv"
    main(["--csv", str(table), str(script), *handed_in])
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("chapter.ipynb: 1 of 2")
    assert second == "  check_one: Solved."
    rows = pd.read_csv(table).to_dict("records")
    points = {"check_double": 0, "exercises": 2}
    assert rows == [
        {"student": "ada, b.", "check_one": 1, "solved": 1, **points},
        {"student": "zoë", "check_one": 0, "solved": 0, **points},
    ]
