"""What a submission of the hostile class consists of."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Submission:
    """A notebook, and what it may earn.

    Args:
        what: is said of it in the table.
        points: of 5, and `hidden` of 2.
        reason: begins the reason in the table of marks.
    """

    kind: str
    what: str
    content: bytes
    points: int = 0
    hidden: int = 0
    reason: str = ""


def code(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def notebook(cells: Iterable[str | dict[str, Any]]) -> bytes:
    """Write cells as a notebook; a string is a cell of code."""
    made = [code(one) if isinstance(one, str) else one for one in cells]
    head = {"nbformat": 4, "nbformat_minor": 2, "metadata": {}}
    return json.dumps(head | {"cells": made}).encode()
