"""Atomic writes, and digests of data.

A file is complete, or keeps its previous content.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

#: How safetensors and torch put it that a file could not be written.
_NOT_WRITTEN = re.compile(r"I/O error|inline_container")


def digest(data: Sequence[object]) -> str:
    """Hash what JSON can write, to recognize it later."""
    encoded = json.dumps(data).encode()
    return hashlib.blake2b(encoded, digest_size=8).hexdigest()


def write_json(data: Mapping[str, object], path: Path) -> None:
    """Write `data` as indented JSON, atomically.

    Raises:
        OSError: the file cannot be written; its old content is kept.
        ValueError: `data` holds NaN or infinity, which JSON lacks.
    """
    write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write `text` as UTF-8: see `write_bytes`."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file atomically: see `write_parts`."""
    write_parts([content], path)


def write_parts(parts: Iterable[bytes], path: Path) -> None:
    """Write a file part by part, atomically; a link or pipe stays one.

    Raises:
        OSError: the file cannot be written; its old content is kept.
    """
    with naming(path):
        if path.exists() and not path.is_file():
            with path.open("wb") as file:  # a pipe, /dev/stdout
                file.writelines(parts)
            return
        with (
            replacing(path.resolve()) as unfinished,  # a link stays a link
            unfinished.open("wb") as file,
        ):
            file.writelines(parts)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`, which takes its name at the end.

    What the block writes there, a file or a folder, is removed if it fails.

    Raises:
        OSError: writing failed, with `path` as its file.
    """
    unfinished = path.with_name(f".unitconv-{os.getpid()}.tmp")
    try:
        with naming(path, unfinished):
            yield unfinished
            unfinished.replace(path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)


@contextmanager
def naming(path: Path, draft: Path | None = None) -> Iterator[None]:
    """Name the file or folder in an error: that of a full disk does not.

    Args:
        path: what the block writes.
        draft: where it writes until it is complete, not to be named.

    Raises:
        OSError: also in place of the errors of safetensors and torch.
    """
    try:
        yield
    except OSError as error:
        if error.filename and not str(error.filename).startswith(
            str(draft or path)
        ):
            raise
        number, reason = error.errno, error.strerror or _full_disk(error)
        raise OSError(number, reason, str(path)) from error
    except Exception as error:
        if not _NOT_WRITTEN.search(str(error)):
            raise
        raise OSError(errno.EIO, _full_disk(error), str(path)) from error


def _full_disk(error: Exception) -> str:
    return f"{error} (is the disk full?)"
