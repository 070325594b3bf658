"""The command grades a class, and writes what is asked for."""

import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from experiments.hostile import chapter
from scripts.grade_submissions import main
from scripts.grading.chapter import read_chapter
from unitconv.common.errors import UnitconvError


def test_submission_is_not_taken_for_the_chapter(tmp_path: Path) -> None:
    """SECRET is not set, so that --seed takes the chapter's name."""
    files = [str(tmp_path / name) for name in ("ada.ipynb", "bob.ipynb")]
    command = ["--seed", "notebooks/01_task.py", *files]
    with pytest.raises(UnitconvError, match="among those handed in"):
        main(command)


def test_hidden_check_of_no_exercise_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in its name, or a check for another chapter."""
    script, hidden = tmp_path / "chapter.py", tmp_path / "hidden.py"
    script.write_text(chapter.script(), "utf-8")
    hidden.write_text(chapter.HIDDEN + "def check_sqare(f): pass", "utf-8")
    main(["--hidden", str(hidden), str(script), "ada.ipynb"])
    [told] = capsys.readouterr().err.splitlines()
    assert "check_sqare belongs to no exercise of chapter" in told


ASKS = """\
# %%
from unitconv.common.exercises import attempt
from unitconv.inference.weights.catalog import find_weights

card = find_weights("smollm2-q4_1").folder / "README.md"

# %% tags=["exercise"]
def first_line():
    raise NotImplementedError


def check_first_line(first_line):
    assert first_line() == card.read_text(), "another line"


attempt(check_first_line, first_line)
"""


@pytest.mark.slow
def test_chapter_that_asks_for_weights_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eve rewrites them; Ada, who is graded after her, reads the truth."""
    (tmp_path / "cache" / "smollm2-q4_1").mkdir(parents=True)
    card = tmp_path / "cache" / "smollm2-q4_1" / "README.md"
    card.write_text("a card", "utf-8")
    monkeypatch.setenv("UNITCONV_CACHE", str(tmp_path / "cache"))
    script = tmp_path / "chapter.py"
    script.write_text(ASKS, "utf-8")
    given = read_chapter(script).cells
    solved = given[1].replace("raise NotImplementedError", "return CARD")
    read = "CARD = card.read_text()"
    for name, cells in (
        ("eve", [given[0], "card.write_text('mine')", read, given[1]]),
        ("ada", [given[0], read, solved]),
    ):
        code = [nbformat.v4.new_code_cell(cell) for cell in cells]
        notebook = nbformat.v4.new_notebook(cells=code)
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    files = [str(tmp_path / f"{name}.ipynb") for name in ("eve", "ada")]
    main(["--output", str(tmp_path), str(script), *files])
    rows = pd.read_csv(tmp_path / "marks.csv").to_dict("records")
    assert [row["points"] for row in rows] == [0, 1]
    feedback = (tmp_path / "feedback" / "eve.txt").read_text("utf-8")
    assert re.search("cell 2: .*(Read-only|Permission denied)", feedback)
    assert card.read_text("utf-8") == "a card"


@pytest.mark.long
def test_command_grades_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "chapter.py"
    script.write_text(chapter.script(), "utf-8")
    for name, code in (
        ("ada", chapter.SOLVED),
        ("=zoë", chapter.EMPTY),
    ):
        (tmp_path / name).mkdir()
        cells = [nbformat.v4.new_code_cell(cell) for cell in code]
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbformat.write(notebook, tmp_path / name / "chapter.ipynb")
    (tmp_path / "broken.ipynb").write_text("<html>", "utf-8")
    roster = tmp_path / "roster.csv"
    roster.write_text("student,id\nLovelace,ada\nTuring,at\n", "utf-8")
    files = ["broken.ipynb", "ada/chapter.ipynb", "=zoë/chapter.ipynb"]
    arguments = [
        *["--output", str(tmp_path / "out"), "--roster", str(roster)],
        *["--gradescope", str(tmp_path / "results.json")],
        *["--no-isolation", str(script)],
        *[str(tmp_path / name) for name in files],
    ]
    main(arguments)
    printed = capsys.readouterr().out
    assert "ada/chapter.ipynb\n  visible 3/3, points 5/5" in printed
    table = tmp_path / "out" / "marks.csv"
    rows = pd.read_csv(table).fillna("").to_dict("records")
    names = [row["student"] for row in rows]
    assert names == ["broken", "Lovelace", "'=zoë", "Turing"]
    assert [row["points"] for row in rows] == [0, 5, 0, 0]
    reasons = ["a web page, not a notebook", "", "", "nothing handed in"]
    assert [row["reason"] for row in rows] == reasons
    assert "check_double: Not yet: nothing is" in rows[2]["feedback"]
    feedback = tmp_path / "out" / "feedback" / "Lovelace.txt"
    assert "check_square, 3/3: Solved." in feedback.read_text("utf-8")
    assert "check_square, 0/3: Not yet" in printed
    assert [row["check_square /3"] for row in rows] == [0, 3, 0, 0]
    assert [row["out_of"] for row in rows] == [5] * 4
    made = json.loads((tmp_path / "results.json").read_text("utf-8"))
    more = "more than one notebook: broken.ipynb is graded"
    assert made["score"] == 0
    assert made["output"].splitlines() == [reasons[0], more]
    assert [test["max_score"] for test in made["tests"]] == [1, 1, 3]
    # Once more: nothing is executed, and the marks are the same.
    before = table.read_text("utf-8")
    main(arguments)
    assert capsys.readouterr().out == printed
    assert table.read_text("utf-8") == before
