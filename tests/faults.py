"""Faults that tests plant: broken files."""

from __future__ import annotations

import os
from pathlib import Path


def damage(path: Path, how: str) -> None:
    """Break a file as users and disks do."""
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_bytes(b"<!doctype html>\n")
