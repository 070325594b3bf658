"""Grading runs what was handed in, and believes only its own checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pandas as pd
import pytest

from scripts.grade import checks, grade, main, students

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


def read(script: str) -> Any:
    return jupytext.reads(script, fmt="py:percent")


def test_the_empty_notebook_solves_nothing() -> None:
    assert grade(read(CHAPTER), read(CHAPTER)) == {
        "check_one": "Not yet: one is another number.",
        "check_double": "Not yet: nothing is written here.",
    }


def test_right_answers_are_solved() -> None:
    handed_in = CHAPTER.replace("one = 0", "one = 1").replace(
        "raise NotImplementedError", "return 2 * x"
    )
    assert set(grade(read(handed_in), read(CHAPTER)).values()) == {
        "Solved."
    }


def test_an_edited_check_counts_for_nothing() -> None:
    handed_in = CHAPTER.replace("one == 1", "True").replace(
        "LIMIT = 3", "LIMIT = 0"
    )
    handed_in += '\n\n# %%\nprint("Solved.")\n'
    said = grade(read(handed_in), read(CHAPTER))
    assert said["check_one"] == "Not yet: one is another number."


def test_mistakes_and_missing_cells_are_told_apart() -> None:
    start = CHAPTER.partition("# %% tags")[0]
    handed_in = start + CHAPTER.rpartition("# %% tags")[2].join(
        ["# %% ", ""]
    ).replace("raise NotImplementedError", "return x / 0")
    said = grade(read(handed_in), read(CHAPTER))
    assert said == {
        "check_one": "not found",
        "check_double": "NameError",
    }


@pytest.mark.parametrize("stem", STEMS)
def test_every_check_of_the_course_can_be_tried_anew(stem: str) -> None:
    chapter = jupytext.read(FOLDER / f"{stem}.py")
    trials = checks(chapter)
    sources = [
        cell.source
        for cell in chapter.cells
        if "exercise" in cell.metadata.get("tags", [])
    ]
    assert len(trials) == len(sources) >= 3
    for name, trial in trials.items():
        assert f"def {name}(" in trial
        assert "NotImplementedError" not in trial


def test_the_command_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "chapter.py"
    script.write_text(CHAPTER, encoding="utf-8")
    path = tmp_path / "ada.ipynb"
    nbformat.write(read(CHAPTER.replace("one = 0", "one = 1")), path)
    main([str(script), str(path)])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"{path}: 1 of 2"
    assert rest[0] == "  check_one: Solved."


def test_the_table_has_a_row_for_each_student(tmp_path: Path) -> None:
    script = tmp_path / "chapter.py"
    script.write_text(CHAPTER, encoding="utf-8")
    solved = CHAPTER.replace("one = 0", "one = 1")
    for name, text in (("ada, b.", solved), ("zoë", CHAPTER)):
        nbformat.write(read(text), tmp_path / f"{name}.ipynb")
    handed_in = sorted(str(path) for path in tmp_path.glob("*.ipynb"))
    table = tmp_path / "marks.csv"
    main(["--csv", str(table), str(script), *handed_in])
    assert pd.read_csv(table).to_dict("split", index=False) == {
        "columns": [
            "student",
            "check_one",
            "check_double",
            "solved",
            "exercises",
        ],
        "data": [["ada, b.", 1, 0, 1, 2], ["zoë", 0, 0, 0, 2]],
    }


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["in/ada.ipynb", "in/zoe.ipynb"], ["ada", "zoe"]),
        (["ada/01.ipynb", "zoe/01.ipynb"], ["ada", "zoe"]),
        (
            ["a/b/01.ipynb", "c/b/01.ipynb"],
            ["a/b/01.ipynb", "c/b/01.ipynb"],
        ),
    ],
)
def test_no_two_students_have_one_name(
    paths: list[str], names: list[str]
) -> None:
    assert students([Path(path) for path in paths]) == names
