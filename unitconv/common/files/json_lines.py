"""JSON Lines files: a record a line, with a checksum in each.

The last field of a line, `crc32`, is the CRC-32 of the line without it. In
a file of an older version no line has one.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import (
    first_problem,
    open_bytes,
    reading,
)
from unitconv.common.io import naming

T = TypeVar("T")
_CHECKED = re.compile(rb'(.+), "crc32": "(.*)"\}')


def to_line(data: dict[str, Any]) -> bytes:
    """Write a record, which may not be empty, as a line with checksum."""
    return add_checksum(json.dumps(data, allow_nan=False).encode())


def add_checksum(text: bytes) -> bytes:
    """Make a line of the JSON of a record."""
    return text[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(text)


def append_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Append records and wait until they are on the disk.

    Raises:
        OSError: the disk is full; a part of the last line may be there.
    """
    with naming(path), path.open("ab") as file:
        file.writelines(map(to_line, records))
        file.flush()
        os.fsync(file.fileno())


def iter_texts(
    path: Path, error: type[UnitconvError], whole: bool = False
) -> Generator[bytes, None, None]:
    """Yield the JSON of one line after the other, without its checksum.

    The file is open until the last line, or until this is closed.

    Args:
        path: packed, if its name ends in `.gz`.
        error: type of the errors.
        whole: leave out a last line that lacks its line end.

    Raises:
        UnitconvError: of the type `error`; a line was changed since it was
            written, or has no checksum and others have.
    """
    first = None
    with reading(path, error), open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            if whole and not line.endswith(b"\n"):
                return
            line = line.rstrip(b"\r\n")
            match = _CHECKED.fullmatch(line)
            first = bool(match) if first is None else first
            text = match[1] + b"}" if match else line
            reason = None
            if bool(match) != first:
                reason = "it lacks its checksum, or the first line does"
            elif match and add_checksum(text)[:-1] != line:
                reason = "its checksum is that of another text"
            if reason:
                raise _broken(path, number, reason, error)
            yield text


def parse_lines(
    texts: Iterable[bytes],
    kind: TypeAdapter[T],
    path: Path,
    error: type[UnitconvError],
    first: int = 1,
) -> Iterator[T]:
    """Parse the JSON of lines of `path`, whose first has number `first`.

    Raises:
        UnitconvError: of the type `error`; names the broken line.
    """
    for number, text in enumerate(texts, start=first):
        try:
            yield kind.validate_json(text, strict=True)
        except ValidationError as problem:
            reason = first_problem(problem)
            raise _broken(path, number, reason, error) from problem


def iter_lines(
    path: Path,
    kind: TypeAdapter[T],
    error: type[UnitconvError],
    first: int = 1,
) -> Iterator[T]:
    """Read one record after the other, from line `first` on.

    Raises:
        UnitconvError: of the type `error`; names the file and the line.
    """
    with closing(iter_texts(path, error)) as texts:
        wanted = islice(texts, first - 1, None)
        yield from parse_lines(wanted, kind, path, error, first)


def _broken(
    path: Path, number: int, reason: str, error: type[UnitconvError]
) -> UnitconvError:
    return error(f"{path}, line {number}: no valid record ({reason})")
