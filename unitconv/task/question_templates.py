"""Templates of questions, and the unit pairs they ask about.

`data/question_templates.json` leaves the grammar as people type it: "1 kg
are how many g" is in it, and so is a missing question mark.
"""

from __future__ import annotations

import json
from pathlib import Path

_FILE = Path(__file__).with_name("data") / "question_templates.json"
_DATA = json.loads(_FILE.read_text("utf-8"))

#: Templates of all splits but test_hard.
TEMPLATES: tuple[str, ...] = tuple(_DATA["templates"])
#: Templates of test_hard alone.
HARD_TEMPLATES: tuple[str, ...] = tuple(_DATA["hard_templates"])
#: Source and target of the conversions that a person would ask for:
#: nobody counts a century in seconds or a disk in bits.
PAIRS: tuple[tuple[str, str], ...] = tuple(
    (source, target)
    for source, targets in _DATA["targets"].items()
    for target in targets
)
#: Conversions that the splits leave out, because the prompts or the book
#: show them: a model would be graded on what it was shown. Later examples
#: of the prompts were chosen outside of the splits instead.
RESERVED: frozenset[tuple[float, str, str]] = frozenset(
    {
        (6.0, "kilogram", "gram"),
        (6.0, "kilometer", "meter"),
        (15.0, "hour", "minute"),
        (900.0, "minute", "hour"),
        (16.0, "foot", "inch"),
        (192.0, "inch", "foot"),
        (14.0, "day", "hour"),
        (336.0, "hour", "day"),
        (20.0, "gallon", "liter"),
    }
)
