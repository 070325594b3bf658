"""Every chapter is graded as it should be.

Its own solutions get full marks, the students' notebook none, and typical
wrong answers none either, with a word on what is wrong.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Pipe, get_context
from pathlib import Path

import jupytext
import nbformat
import pandas as pd
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell

from scripts.grade_submissions import main
from scripts.grading.chapter import Exercise, read_chapter
from scripts.grading.messages import Peer
from scripts.grading.reference import Verdict, judge
from scripts.grading.sandbox import ENVIRONMENT
from scripts.grading.weights import needs_weights
from scripts.grading.worker import describe, new_shell, run_cell, serve
from scripts.make_student import student
from scripts.move_repository import ROOT

KNOWN = yaml.safe_load(
    Path(__file__).with_name("wrong_answers.yml").read_text("utf-8")
)
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
SAMPLE = "task"


def name_of(script: Path) -> str:
    return script.stem.partition("_")[2]


every_chapter = pytest.mark.parametrize(
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


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_three_wrong_answers_an_exercise(script: Path) -> None:
    known = KNOWN[name_of(script)]
    checks = [one.check for one in read_chapter(script).exercises]
    assert checks == [*known]
    assert {len(answers) for answers in known.values()} == {3}


@pytest.mark.slow
@every_chapter
def test_solutions_earn_all_points(
    script: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if needs_weights(read_chapter(script)):
        request.getfixturevalue("smollm2_weights")
    book = jupytext.read(script)
    files = [tmp_path / "solved.ipynb", tmp_path / "untouched.ipynb"]
    for notebook, file in zip([book, student(book)], files, strict=True):
        nbformat.write(notebook, file)
    options = ["--no-isolation", "--timeout", "3600"]
    options += ["--cell-timeout", "1200", "--output", str(tmp_path)]
    main([*options, str(script), *map(str, files)])

    marks = pd.read_csv(tmp_path / "marks.csv").fillna("")
    solved, untouched = marks.to_dict("records")
    assert solved["points"] == solved["out_of"], solved["feedback"]
    assert untouched["points"] == 0
    assert [*marks.reason] == ["", ""]


@pytest.mark.slow
@every_chapter
def test_wrong_answers_earn_none(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if needs_weights(read_chapter(script)):
        request.getfixturevalue("smollm2_weights")
    known = KNOWN[name_of(script)]
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with ProcessPoolExecutor(1, get_context("spawn")) as new_process:
        verdicts = new_process.submit(try_all, script, known).result()
    for check, answers in known.items():
        for answer, verdict in zip(answers, verdicts[check], strict=True):
            assert not verdict["solved"], (check, answer)
            assert answer["says"] in verdict["text"], check


def try_all(
    script: Path, known: dict[str, list[dict[str, str]]]
) -> dict[str, list[Verdict]]:
    """Run a chapter once; let the grader judge answers as it gets there."""
    chapter, shell, verdicts = read_chapter(script), new_shell(), {}
    exercises = {one.place: one for one in chapter.exercises}
    for place, cell in enumerate(chapter.cells):
        run_cell(shell, cell)
        if exercise := exercises.get(place):
            verdicts[exercise.check] = [
                verdict_on(answer["answer"], exercise, shell)
                for answer in known[exercise.check]
            ]
    return verdicts


def verdict_on(
    answer: str, exercise: Exercise, shell: InteractiveShell
) -> Verdict:
    """Judge an answer that a copy of this process gives."""
    here, there = Pipe()
    submission = get_context("fork").Process(
        target=serve, args=[Peer(there, describe)]
    )
    submission.start()
    try:
        peer = Peer(here)
        peer.ask(run=answer)
        check = shell.user_ns[exercise.check]
        return judge(check, peer, [*exercise.answers])
    finally:
        submission.kill()
        submission.join()
