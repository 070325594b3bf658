"""Search corpus texts for questions of the course's question sets.

Questions may be embedded in longer texts, so labels and greetings are
stripped from every line, and each of its prefixes is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from unitconv.pretraining.corpus.question_templates import (
    GREETINGS,
    PLAIN_FORMATS,
)
from unitconv.task.dataset import normalize

_MARKERS = re.compile(r"<\|[a-z_]+\|>|\n")
_LABELS = tuple(form.split("{u}")[0].strip() for form in PLAIN_FORMATS)
_FRAMES = sorted(
    {normalize(text) for text in (*_LABELS, *GREETINGS) if text.strip()},
    key=len,
    reverse=True,
)


def leaked_questions(text: str, questions: AbstractSet[str]) -> list[str]:
    r"""List the (normalized) `questions` that occur in `text`.

    >>> leaked_questions("Q: Hello, 6 km in m?\nA: 6000", {"6 km in m"})
    ['6 km in m']
    """
    candidates: set[str] = set()
    for line in _MARKERS.split(text):
        for start in _without_frames(normalize(line)):
            ends = [m.start() for m in re.finditer(r"[?.! ]|$", start)]
            candidates |= {start[:end].rstrip("?.! ") for end in ends}
    return sorted(candidates & questions)


def _without_frames(line: str) -> Iterator[str]:
    """Yield the line, then its rest after each label or greeting."""
    yield line
    for frame in _FRAMES:
        if line.startswith(frame):
            yield from _without_frames(line[len(frame) :].lstrip(" :,.!"))
            return
