"""Atomic writes, and digests of data.

A file is complete, or keeps its previous content.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
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
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, "utf-8")  # a pipe, /dev/stdout
            return
        target = path.resolve()  # a link stays a link
        unfinished = target.with_name(f".unitconv-{os.getpid()}.tmp")
        try:
            unfinished.write_text(text, "utf-8")
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:  # a full disk does not name the file
        raise OSError(error.errno, error.strerror, str(path)) from error
