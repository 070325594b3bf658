"""Reading of JSON files; errors name the file and the place."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from unitconv.common.errors import UnitconvError

T = TypeVar("T")


@contextmanager
def reading(path: Path, error: type[UnitconvError]) -> Iterator[None]:
    """Name the file in an error of reading or unpacking it.

    Raises:
        UnitconvError: of the type `error`; it cannot be read or unpacked.
    """
    try:
        yield
    except UnitconvError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise error(
            f"{path}: broken gzip ({problem}): fetch or pack it again"
        ) from problem
    except (OSError, ValueError) as problem:  # a name with a zero byte
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{path}: cannot be read ({reason})") from problem


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacked if its name ends in `.gz`."""
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    return path.open("rb")


def read_text(path: Path, error: type[UnitconvError]) -> str:
    """Read UTF-8, with or without the byte-order mark of some editors.

    Raises:
        UnitconvError: of the type `error`; names the first wrong byte.
    """
    with reading(path, error), open_bytes(path) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise error(
            f"{path}, line {line}: byte {problem.start} is not UTF-8; save "
            "it as UTF-8"
        ) from problem


def read_json(
    path: Path,
    error: type[UnitconvError],
    parse_int: Callable[[str], float] = int,
) -> Any:
    """Read a JSON file.

    Raises:
        UnitconvError: of the type `error`; the file cannot be read, is not
            JSON, nests too deeply, or has an integer of too many digits.
    """
    text = read_text(path, error)
    try:
        return json.loads(text, parse_int=parse_int)
    except json.JSONDecodeError as problem:
        raise error(
            f"{path}: line {problem.lineno}, column {problem.colno}: this "
            f"is not JSON ({problem.msg})"
        ) from problem
    except (ValueError, RecursionError) as problem:
        raise error(f"{path}: cannot be read ({problem})") from problem


def read_object(path: Path, error: type[UnitconvError]) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        UnitconvError: of the type `error`; see `read_json`.
    """
    content = read_json(path, error)
    if not isinstance(content, dict):
        raise error(f"{path}: expected a JSON object")
    return content


def read_as(
    path: Path, kind: TypeAdapter[T], error: type[UnitconvError]
) -> T:
    """Read a JSON file of a given type.

    Raises:
        UnitconvError: of the type `error`; names the first wrong entry.
    """
    try:
        return kind.validate_json(read_text(path, error))
    except ValidationError as problem:
        raise error(f"{path}: {first_problem(problem)}") from problem


def first_problem(error: ValidationError) -> str:
    """Return what pydantic says is wrong, with the entry's place."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
