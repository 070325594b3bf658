"""A submission is read whatever it is, and its exercises are found."""

import json
import os
from pathlib import Path

import jupytext
import nbformat
import pytest

from scripts.grading.chapter import Chapter, Exercise, read_chapter
from scripts.grading.submission import (
    LONGEST_CODE,
    UnreadableError,
    file_name,
    name_students,
    plan,
    read_cells,
)
from scripts.make_student import student
from scripts.move_repository import ROOT
from unitconv.common.errors import UnitconvError

STEMS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.py"))


@pytest.mark.parametrize("stem", STEMS)
def test_chapter_is_read_without_its_solutions(stem: str) -> None:
    path = ROOT / "notebooks" / f"{stem}.py"
    chapter = read_chapter(path)
    handed_out = student(jupytext.read(path))
    code = [c.source for c in handed_out.cells if c.cell_type == "code"]
    assert [*chapter.cells] == code
    assert len(chapter.exercises) >= 3
    for exercise in chapter.exercises:
        assert f"def {exercise.check}(" in code[exercise.place]
        assert exercise.answers


def test_points_stand_in_a_tag(tmp_path: Path) -> None:
    path = tmp_path / "chapter.py"
    cell = '# %% tags=["exercise", "points=3"]\nattempt(check_a, b, c)\n'
    path.write_text(cell, "utf-8")
    assert read_chapter(path).exercises == (
        Exercise("check_a", ("b", "c"), 3, 0),
    )
    for wrong in ("points=2.5", "points: 3", 'points=3", "points=4'):
        path.write_text(cell.replace("points=3", wrong), "utf-8")
        with pytest.raises(UnitconvError, match="one tag such as"):
            read_chapter(path)
    path.write_text(cell.replace("attempt", "try_it"), "utf-8")
    with pytest.raises(UnitconvError, match="one attempt"):
        read_chapter(path)


CHAPTER = Chapter(
    "chapter",
    (),
    (
        Exercise("check_a", ("a",), 1, 0),
        Exercise("check_b", ("b",), 1, 1),
    ),
)


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        (["attempt(check_a, a)", "attempt(check_b, b)"], {0: "a", 1: "a"}),
        (["%%time\nx = attempt(check_a, mine)"], {0: "mine"}),
        (["!ls\n%matplotlib inline\nu.attempt(check_a, 2)"], {0: "2"}),
        (["if 1:\n    attempt(check_a, a)", "a = 2"], {0: "a", 1: "a"}),
        (
            ["attempt(check_a, a)", "attempt(check_a, 3)"],
            {0: "a", 1: "3"},
        ),
        (
            ["attempt(check_a, a)", "a = 1", "attempt(check_b, b)", "c"],
            {0: "a", 1: "a", 3: "a"},
        ),
        (["(\nattempt(check_a, mine"], {0: "a"}),
        (["# attempt(check_a, a)", "1"], {1: "a"}),
    ],
)
def test_places_of_an_exercise(
    code: list[str], answers: dict[int, str]
) -> None:
    [trials, _] = plan([("code", source) for source in code], CHAPTER)
    found = {place: ", ".join(x) for place, x in trials.answers.items()}
    assert found == answers


@pytest.mark.parametrize(
    ("kind", "source", "why"),
    [
        ("markdown", "attempt(check_a, a)", "stands in a markdown cell"),
        ("code", "# attempt(check_a, a)", "stands in a comment"),
        ("code", "check_a", "no cell calls attempt(check_a, ...)"),
    ],
)
def test_an_attempt_that_is_not_found_is_explained(
    kind: str, source: str, why: str
) -> None:
    [trials, _] = plan([(kind, source), ("code", "1")], CHAPTER)
    assert why in trials.missing


@pytest.mark.parametrize(
    "bomb",
    [
        "x = '\ud800'",
        "\0",
        "a = !ls\n" * 600,
        "-" * 100_000 + "1",
        "x" + ".a" * 50_000,
        "(" * 5000 + ")" * 5000,
    ],
    ids=["surrogate", "null", "magics", "minus", "dots", "brackets"],
)
def test_code_that_breaks_a_parser_is_read(bomb: str) -> None:
    source = f"attempt(check_a, mine)\n{bomb}"
    [trials, _] = plan([("code", source)], CHAPTER)
    assert trials.answers[0] in [("mine",), ("a",)]


def test_the_wrong_chapter_is_told() -> None:
    with pytest.raises(UnreadableError, match="wrong chapter"):
        plan([("code", "check_above")], CHAPTER)


def test_notebook_of_any_encoding_and_version(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["x = 'é'"], "outputs": []}
    old = {"cell_type": "code", "input": ["x = 'é'"], "outputs": []}
    new = {"nbformat": 4, "nbformat_minor": 2, "metadata": {}}
    third = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}}
    new["cells"] = [cell | {"metadata": {}, "execution_count": None}]
    third["worksheets"] = [{"cells": [old | {"language": "python"}]}]
    for notebook, encoding in [
        (new, "utf-8"),
        (new, "utf-8-sig"),
        (new, "cp1252"),
        (third, "utf-8"),
    ]:
        path = tmp_path / "one.ipynb"
        text = json.dumps(notebook, ensure_ascii=False)
        path.write_text(text, encoding=encoding)
        assert read_cells(path) == [("code", "x = 'é'")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!doctype html><p>Log in", "web page"),
        (b'{"cells": [', "no notebook"),
        (b"[" * 100_000, "no notebook"),
        (b"\xff\xfe\x00", "no notebook"),
        (b'{"cells": [3], "nbformat": 4, "nbformat_minor": 5}', "notebook"),
        (
            b'{"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells":'
            b'[{"cell_type": "raw", "metadata": {}, "source": "'
            + b"x" * (LONGEST_CODE + 1)
            + b'"}]}',
            "characters",
        ),
    ],
)
def test_unreadable_file_has_a_reason(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "one.ipynb"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        read_cells(path)


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "a.ipynb")
    (tmp_path / "in" / "b.ipynb").symlink_to(tmp_path / "a.ipynb")
    with pytest.raises(UnreadableError, match="link"):
        read_cells(tmp_path / "in" / "b.ipynb")
    with pytest.raises(UnreadableError, match="there is no"):
        read_cells(tmp_path / "in" / "c.ipynb")
    os.mkfifo(tmp_path / "in" / "d.ipynb")
    with pytest.raises(UnreadableError, match="no file"):
        read_cells(tmp_path / "in" / "d.ipynb")


def test_names_of_students() -> None:
    paths = [
        Path(name)
        for name in (
            "lovelaceada_10234_887766_01_task-1.ipynb",
            "hoppergrace_LATE_10235_887767_01_task.ipynb",
            "turing/01_task.ipynb",
            "zoë/01_task.ipynb",
            "Alan K_77_assignsubmission_file_/01_task.ipynb",
            "kay.ipynb",
        )
    ]
    assert name_students(paths) == [
        "lovelaceada",
        "hoppergrace",
        "turing",
        "zoë",
        "Alan K",
        "kay",
    ]
    roster = [["Lovelace, Ada", "al12"], ["Grace", "10235"], ["Kay", ""]]
    named = name_students(paths, roster)
    assert named[:2] == ["Lovelace, Ada", "Grace"]
    assert named[-1] == "Kay"


def test_folder_counts_more_than_the_name_of_the_file() -> None:
    """A student chooses the file's name, and the platform the folder's."""
    roster = [["Ada", "al"], ["Eve", "e1"], ["Bob", "-"], ["Al", "-"]]
    paths = [
        Path("Eve_5_assignsubmission_file_/al.ipynb"),
        Path("handed_in/---.ipynb"),
    ]
    assert name_students(paths, roster) == ["Eve", "---"]


def test_each_student_has_a_file() -> None:
    names = ["Lovelace, Ada", "a/b", "a:b", "..", "x" * 300, "x" * 301]
    files = [file_name(name) for name in names]
    assert files[0] == names[0]
    assert len({*files}) == len(names)
    for one in files:
        assert len(f"{one}.txt".encode()) < 200
        assert not one.startswith(".")
        assert "/" not in one


def test_of_many_attempts_the_last_ten_count() -> None:
    """Else a table of guesses would find what a hidden check asks."""
    cells = [("code", f"attempt(check_a, {n})") for n in range(300)]
    [trials, _] = plan(cells, CHAPTER)
    assert {("290",), ("299",)} <= {*trials.answers.values()}
    assert len(trials.answers) == 10


def test_two_files_of_a_student_are_told_apart() -> None:
    paths = [Path("a/ada.ipynb"), Path("b/ada.ipynb"), Path("bob.ipynb")]
    assert name_students(paths, [["Ada", "ada"]]) == [
        "Ada (a/ada.ipynb)",
        "Ada (b/ada.ipynb)",
        "bob",
    ]
