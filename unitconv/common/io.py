"""Writing results so that nothing is lost: whole, or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_json(data: dict[str, Any], path: Path) -> None:
    """Write a report so that the file is whole or not there at all.

    Raises:
        OSError: it cannot be written; what stood there before still does.
    """
    write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text so that the file is whole or not there at all.

    Raises:
        OSError: as `write_json`.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, "utf-8")  # a pipe, /dev/stdout
        else:
            _replace(path.resolve(), text)  # a link stays a link
    except OSError as error:  # a full disk does not say where
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f".unitconv-{os.getpid()}.tmp")
    try:
        unfinished.write_text(text, "utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
