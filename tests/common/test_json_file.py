"""Broken JSON files: one error, which names the file and the place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import (
    read_as,
    read_json,
    read_object,
    read_text,
)
from unitconv.evaluation.leaderboard.stages import read_stages
from unitconv.evaluation.leaderboard.table import make_record
from unitconv.evaluation.report import EvaluationError, Report
from unitconv.inference.load.adapter import trained_prompt
from unitconv.task.dataset import read_questions
from unitconv.training.examples import read_triples
from unitconv.training.rl.rollout import read_groups
from unitconv.training.rollouts import read_rollouts

DEEP = b"[" * 100_000
#: What is wrong, and where it is: to be found in the message.
BROKEN: dict[str, tuple[bytes, str]] = {
    "UTF-8": (b'{"a":\n"\xff"}', "line 2: byte 7 "),
    "cut": (b'{"a": 1,\n', "line 2, column 1"),
    "empty": (b"", "line 1, column 1"),
    "deep": (DEEP + b"]" * 100_000, "recursion"),
    "long": (b'{"a": ' + b"1" * 5000 + b"}", "4300"),
}


class CustomError(UnitconvError):
    """The type of error that the caller asked for."""


@pytest.mark.parametrize("wrong", BROKEN)
def test_a_broken_file_is_named_with_the_place(
    wrong: str, tmp_path: Path
) -> None:
    content, place = BROKEN[wrong]
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(CustomError) as caught:
        read_json(path, CustomError)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"a"'])
def test_only_an_object_is_an_object(content: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(CustomError, match=r"mine\.json: expected a JSON"):
        read_object(path, CustomError)


def test_a_wrong_type_is_named_with_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"a": [1, {}]}')
    kind = TypeAdapter(dict[str, list[int]])
    with pytest.raises(
        CustomError, match=r"mine\.json: a\.1: Input should"
    ):
        read_as(path, kind, CustomError)
    path.write_text('\ufeff{"a": [1, 2]}')
    assert read_as(path, kind, CustomError) == {"a": [1, 2]}


def test_broken_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.json.gz"
    packed = gzip.compress(b"text " * 100)
    path.write_bytes(packed)
    assert read_text(path, CustomError) == "text " * 100
    broken = [
        packed[:-4],
        packed[:12],
        b"",
        b"text",
        packed[:-8] + b"12345678",
    ]
    broken.append(packed[:11] + b"\xff\xff\xff" + packed[14:])
    for content in broken[:2] + broken[3:]:
        path.write_bytes(content)
        with pytest.raises(CustomError, match=r"mine\.json\.gz: broken"):
            read_text(path, CustomError)


@pytest.mark.parametrize("name", ["missing.json", "folder", "zero\0byte"])
def test_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CustomError, match="cannot be read"):
        read_json(tmp_path / name, CustomError)


READERS: list[Callable[[Path], object]] = [
    read_questions,
    read_triples,
    read_rollouts,
    read_groups,
    read_stages,
    make_record,
]
NONSENSE = {name: content for name, (content, _) in BROKEN.items()} | {
    "null": b"null",
    "number": b"-0.0",
    "text": b'"a"',
    "list of null": b"[null]",
    "wrong types": b'[[{}, 1, "x"]]',
    "400 digits": b'[["a", 1' + b"0" * 400 + b', "x"]]',
    "5000 digits": b'[["a", 1' + b"0" * 5000 + b', "x"]]',
    "NaN": b'[["a", NaN, "x"]]',
    "surrogate": rb'[["\ud800", 1, "x"]]',
}


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("reader", READERS, ids=lambda r: r.__name__)
def test_every_reader_names_the_file(
    reader: Callable[[Path], object], nonsense: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    # The first line of rollouts is the header, and not theirs alone.
    start = b"{}\n" if reader is read_rollouts else b""
    path.write_bytes(start + (NONSENSE[nonsense] or b"?"))
    with pytest.raises(UnitconvError) as caught:
        reader(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_the_record_of_an_adapter_is_named(
    nonsense: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(NONSENSE[nonsense])
    with pytest.raises(UnitconvError, match=r"run\.json"):
        trained_prompt(tmp_path)
    path.unlink()
    assert trained_prompt(tmp_path) == "raw"


@pytest.mark.parametrize(
    "data",
    [
        "null",
        "[]",
        '{"rows": null}',
        '{"rows": [null], "seconds": 1, "run": {}}',
        '{"rows": [{"answer": null}], "seconds": 1, "run": {}}',
        '{"rows": [], "seconds": "long", "run": {}}',
        '{"rows": [], "seconds": 1}',
    ],
)
def test_what_is_no_report_is_refused(data: str) -> None:
    with pytest.raises(EvaluationError, match="no report of an evaluation"):
        Report.from_json(json.loads(data))
