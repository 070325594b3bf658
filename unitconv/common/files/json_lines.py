"""JSON Lines files: a record a line, with a checksum in each.

The last field of a line, `crc32`, is the CRC-32 of the line without it. In
a file of an older version no line has one.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import first_problem, read_bytes
from unitconv.common.io import naming

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
_CHECKED = re.compile(rb'(.+), "crc32": "(.*)"\}')


def to_line(data: dict[str, Any]) -> bytes:
    """Write a record, which may not be empty, as a line with checksum."""
    return add_checksum(json.dumps(data, allow_nan=False).encode())


def add_checksum(text: bytes) -> bytes:
    """Make a line of the JSON of a record."""
    return text[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(text)


def append_lines(path: Path, records: Iterable[DataclassInstance]) -> None:
    """Append records and wait until they are on the disk.

    Raises:
        OSError: the disk is full; a part of the last line may be there.
    """
    with naming(path), path.open("ab") as file:
        file.writelines(to_line(asdict(record)) for record in records)
        file.flush()
        os.fsync(file.fileno())


def check_lines(
    lines: Sequence[bytes], path: Path, error: type[UnitconvError]
) -> list[bytes]:
    """Return the JSON of the lines of `path`, without their checksums.

    Raises:
        UnitconvError: of the type `error`; a line was changed since it was
            written, or has no checksum and others have.
    """
    found = [_CHECKED.fullmatch(line) for line in lines]
    texts = []
    for number, (match, line) in enumerate(
        zip(found, lines, strict=True), start=1
    ):
        text = match[1] + b"}" if match else line
        if bool(match) != bool(found[0]):
            reason = "it lacks its checksum, or the first line does"
        elif match and add_checksum(text)[:-1] != line:
            reason = "its checksum is that of another text"
        else:
            texts.append(text)
            continue
        raise _broken(path, number, reason, error)
    return texts


def parse_lines(
    texts: Sequence[bytes],
    kind: TypeAdapter[T],
    path: Path,
    error: type[UnitconvError],
    first: int = 1,
) -> list[T]:
    """Parse the JSON of the lines of `path`, from number `first` on.

    Raises:
        UnitconvError: of the type `error`; names the broken line.
    """
    records = []
    for number, text in enumerate(texts[first - 1 :], start=first):
        try:
            records.append(kind.validate_json(text, strict=True))
        except ValidationError as problem:
            reason = first_problem(problem)
            raise _broken(path, number, reason, error) from problem
    return records


def read_lines(
    path: Path,
    kind: TypeAdapter[T],
    error: type[UnitconvError],
    first: int = 1,
) -> list[T]:
    """Read the records of a file, also packed as `.gz`.

    Raises:
        UnitconvError: of the type `error`; names the file and the line.
    """
    lines = read_bytes(path, error).splitlines()
    texts = check_lines(lines, path, error)
    return parse_lines(texts, kind, path, error, first)


def _broken(
    path: Path, number: int, reason: str, error: type[UnitconvError]
) -> UnitconvError:
    return error(f"{path}, line {number}: no valid record ({reason})")
