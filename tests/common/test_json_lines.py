"""JSON Lines with checksums: every changed bit is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import pytest
from pydantic import TypeAdapter

from unitconv.common.errors import UnitconvError
from unitconv.common.files.chunk_log import ChunkLog
from unitconv.common.files.json_lines import (
    append_lines,
    iter_lines,
    to_line,
)


@dataclass(frozen=True)
class Point:
    """A record."""

    x: float
    name: str


POINTS = [Point(0.5, "a"), Point(1e300, 'é", "crc32": "00000000"}')]
KIND = TypeAdapter(Point)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "points.jsonl"
    append_lines(path, map(asdict, POINTS[:1]))
    append_lines(path, map(asdict, POINTS[1:]))
    return path


def read(path: Path) -> list[Point]:
    return list(iter_lines(path, KIND, UnitconvError))


def test_records_come_back(path: Path) -> None:
    assert read(path) == POINTS
    rest = iter_lines(path, KIND, UnitconvError, first=2)
    assert list(rest) == POINTS[1:]


def test_a_line_is_checked_without_our_code(path: Path) -> None:
    """`crc32` is that of the line as JSON writes it without this field."""
    code = """
import json, sys, zlib
for line in sys.stdin:
    record = json.loads(line)
    stored = record.pop("crc32")
    assert stored == f"{zlib.crc32(json.dumps(record).encode()):08x}"
    print(record["x"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=path.read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0.5\n1e+300\n"


def test_every_flipped_bit_is_seen(path: Path) -> None:
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(UnitconvError, match=r"\.jsonl, line \d"):
                read(path)


Change = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [lines[0], lines[1][:-9]], 2),
        (lambda lines: [lines[0][:-9], lines[1]], 1),
        (lambda lines: [lines[0], b'{"x": 1, "name": "b"}\n'], 2),
        (lambda lines: [b'{"x": 1, "name": "b"}\n', lines[1]], 2),
        (lambda lines: [*lines, to_line({"x": 1})], 3),
        (lambda lines: [*lines, to_line({"x": "1", "name": "b"})], 3),
        (lambda lines: [*lines, b"\n"], 3),
    ],
)
def test_a_changed_line_is_named(
    change: Change, line: int, path: Path
) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))
    with pytest.raises(
        UnitconvError, match=f"line {line}: no valid record"
    ):
        read(path)


def test_a_refused_file_is_closed(path: Path) -> None:
    """At once, and not only when nobody holds the error any more."""
    log = ChunkLog(path, KIND, UnitconvError)
    append_lines(path, [{"x": 1}])
    with pytest.raises(UnitconvError, match="line 3") as in_a_record:
        read(path)
    with pytest.raises(UnitconvError, match="other settings") as in_header:
        log.check({"x": 2}, lambda number, record: True)
    opened = [file.path for file in psutil.Process().open_files()]
    assert str(path) not in opened, (in_a_record, in_header)


def test_a_file_of_an_older_version_is_read(path: Path) -> None:
    path.write_text("".join(f"{json.dumps(p.__dict__)}\n" for p in POINTS))
    assert read(path) == POINTS


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_an_error_of_the_file() -> None:
    with pytest.raises(OSError, match="/dev/full"):
        append_lines(Path("/dev/full"), map(asdict, POINTS))
