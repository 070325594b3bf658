"""The record of all runs, `robustness.json`, which a page shows."""

from __future__ import annotations

from typing import Any

from experiments.timing import RESULTS
from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_object
from unitconv.common.io import write_json
from unitconv.common.run_metadata import run_metadata

RECORD = RESULTS / "robustness.json"


def read() -> dict[str, Any]:
    """Read the record; it is empty before the first run."""
    return read_object(RECORD, UnitconvError) if RECORD.exists() else {}


def write(part: str, content: dict[str, Any]) -> None:
    """Replace a part of the record."""
    described = content | {"run": run_metadata()}
    write_json(dict(sorted((read() | {part: described}).items())), RECORD)
