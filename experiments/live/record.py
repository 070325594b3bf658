"""The record of all comparisons, which a page of the book shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_object
from unitconv.common.io import write_json
from unitconv.common.run_metadata import run_metadata

RECORD = Path(__file__).with_name("record.json")
SHOWN = 10  #: of the differences, if there are any


def read() -> dict[str, Any]:
    """Read the record; it is empty before the first run."""
    return read_object(RECORD, UnitconvError) if RECORD.exists() else {}


def write(part: str, content: dict[str, Any]) -> None:
    """Replace a part of the record."""
    described = content | {"run": run_metadata()}
    write_json(dict(sorted((read() | {part: described}).items())), RECORD)


def summary(differences: list[Any]) -> dict[str, Any]:
    """Count differences, and keep the first."""
    return {"differ": len(differences), "first": differences[:SHOWN]}


def add(done: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Add up the numbers of two comparisons, and join their differences."""
    total = {
        key: value + done.get(key, type(value)())
        for key, value in more.items()
    }
    total["first"] = total["first"][:SHOWN]
    return total
