"""Every chapter is graded as it should be.

Its own solutions get full marks, the students' notebook none, and typical
wrong answers none either, with a word on what is wrong.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pandas as pd
import pytest
import yaml

from scripts.grade_submissions import main
from scripts.grading.chapter import find_attempts, read_chapter
from scripts.grading.weights import needs_weights
from scripts.make_student import student
from scripts.move_repository import ROOT

KNOWN = yaml.safe_load(
    Path(__file__).with_name("wrong_answers.yml").read_text("utf-8")
)
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
SAMPLE = "task"


def name_of(script: Path) -> str:
    return script.stem.partition("_")[2]


def with_answers(script: Path, answers: dict[str, str]) -> Any:
    """Return the student's notebook with each answer below its exercise."""

    def cells() -> Iterator[Any]:
        for cell in student(jupytext.read(script)).cells:
            yield cell
            if answers and "exercise" in cell.metadata.get("tags", []):
                [check] = find_attempts(cell.source)
                yield nbformat.v4.new_code_cell(answers[check])

    return nbformat.v4.new_notebook(cells=[*cells()])


@pytest.mark.parametrize("name", KNOWN)
def test_three_wrong_answers_an_exercise(name: str) -> None:
    [script] = [one for one in SCRIPTS if name_of(one) == name]
    exercises = read_chapter(script).exercises
    assert [one.check for one in exercises] == [*KNOWN[name]]
    assert {len(known) for known in KNOWN[name].values()} == {3}


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            one,
            id=one.stem,
            marks=[pytest.mark.long] * (name_of(one) != SAMPLE),
        )
        for one in SCRIPTS
    ],
)
def test_chapter_is_graded(
    script: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if needs_weights(read_chapter(script)):
        request.getfixturevalue("smollm2_weights")
    known = KNOWN.get(name_of(script), {})
    handed_in = {
        "solved": jupytext.read(script),
        "untouched": with_answers(script, {}),
    }
    for number in range(3 * bool(known)):
        answers = {
            check: wrong[number]["answer"] for check, wrong in known.items()
        }
        handed_in[str(number)] = with_answers(script, answers)
    for name, notebook in handed_in.items():
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    options = ["--no-isolation", "--timeout", "3600"]
    options += ["--cell-timeout", "1200", "--output", str(tmp_path)]
    files = [str(tmp_path / f"{name}.ipynb") for name in handed_in]
    main([*options, str(script), *files])

    rows = pd.read_csv(tmp_path / "marks.csv").fillna("").to_dict("records")
    solved, untouched, *wrong = rows
    assert solved["points"] == solved["out_of"], solved["feedback"]
    assert untouched["points"] == 0
    assert [row["reason"] for row in rows] == [""] * len(rows)
    missed = [
        f"{number} {line}"
        for number, row in enumerate(wrong)
        for line in row["feedback"].splitlines()
        for check, _, said in [line.partition(": Not yet: ")]
        if known[check][number]["says"] not in said
    ]
    assert missed == []
    assert [row["points"] for row in wrong] == [0] * len(wrong)
