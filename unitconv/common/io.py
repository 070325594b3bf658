"""Atomic writes, and digests of data.

A file is complete, or keeps its previous content.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def digest(data: Sequence[object]) -> str:
    """Hash what JSON can write, to recognise it later."""
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
    """Write `text` as UTF-8, atomically; a link or pipe stays one.

    Raises:
        OSError: the file cannot be written; its old content is kept.
    """
    with _naming(path):
        if path.exists() and not path.is_file():
            path.write_text(text, "utf-8")  # a pipe, /dev/stdout
            return
        with replacing(path.resolve()) as unfinished:  # a link stays a link
            unfinished.write_text(text, "utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`, which takes its name at the end.

    What the block writes there, a file or a folder, is removed if it fails.

    Raises:
        OSError: writing failed, with `path` as its file.
    """
    unfinished = path.with_name(f".unitconv-{os.getpid()}.tmp")
    try:
        with _naming(path):
            yield unfinished
            unfinished.replace(path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in an error: that of a full disk does not."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or f"{error} (is the disk full?)"
        raise OSError(error.errno, reason, str(path)) from error
