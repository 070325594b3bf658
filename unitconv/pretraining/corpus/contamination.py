"""Does a text of the corpus ask a question of the course's sets?

A leak hides in forms: behind a `Q:`, after a greeting, inside a chat turn.
So every line is taken out of its frame, and every beginning of it that
ends with a word is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from unitconv.pretraining.corpus.documents import PLAIN_FORMS
from unitconv.pretraining.corpus.question_templates import GREETINGS
from unitconv.task.dataset import normalize

_MARKERS = re.compile(r"<\|[a-z_]+\|>|\n")
_LABELS = tuple(form.split("{u}")[0].strip() for form in PLAIN_FORMS)
_FRAMES = sorted(
    {normalize(text) for text in (*_LABELS, *GREETINGS) if text.strip()},
    key=len,
    reverse=True,
)


def leaks(text: str, asked: AbstractSet[str]) -> list[str]:
    """The questions of `asked` (normalised) that `text` asks.

    >>> leaks("Q: Hello, 6 km in m?\\nA: 6000", {"6 km in m"})
    ['6 km in m']
    """
    found: set[str] = set()
    for line in _MARKERS.split(text):
        for start in _starts(normalize(line)):
            ends = [m.start() for m in re.finditer(r"[?.! ]|$", start)]
            found |= {start[:end].rstrip("?.! ") for end in ends}
    return sorted(found & asked)


def _starts(line: str) -> Iterator[str]:
    """The line, then without its labels and greetings, one by one."""
    yield line
    for frame in _FRAMES:
        if line.startswith(frame):
            yield from _starts(line[len(frame) :].lstrip(" :,.!"))
            return
