"""Completions in the making, and the tokens they share.

Prompts share how they begin. So do the samples of one question: until two
of them draw different tokens they are one text, which takes one slot and is
computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unitconv.inference.reference import StopRule

#: A shorter prefix is not worth a second product in every layer.
SHORTEST_PREFIX = 8


@dataclass
class Row:
    """One completion in the making."""

    prompt: int  #: its number among the prompts
    key: int
    limit: int
    token_ids: list[int] = field(default_factory=list)
    finished: bool = False

    @property
    def done(self) -> bool:
        """At its end, or at its limit."""
        return self.finished or len(self.token_ids) >= self.limit

    def take(self, tokens: Sequence[int], stop: StopRule) -> None:
        """Add tokens up to the end; what comes after it is dropped."""
        for token in tokens:
            if self.done:
                break
            self.token_ids.append(token)
            self.finished = stop(self.token_ids)


Branch = list[Row]
"""Rows of one prompt whose tokens are the same so far."""


def part(branch: Branch, together: bool) -> list[Branch]:
    """The rows of a branch that are not done, by the token they drew.

    Args:
        together: False for each row by itself, whatever it drew.
    """
    parts: dict[int, Branch] = {}
    for number, row in enumerate(branch):
        if not row.done:
            drew = row.token_ids[-1] if together else number
            parts.setdefault(drew, []).append(row)
    return list(parts.values())


def shared_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with.

    At least one token of each prompt stays outside: the logits after its
    last token are the row's own. A single prompt shares with nobody.
    """
    if len(prompts) < 2:
        return 0
    # The first and the last in order differ as early as any two.
    first, last = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    same = next(
        (i for i in range(limit) if first[i] != last[i]), max(limit, 0)
    )
    return same if same >= SHORTEST_PREFIX else 0
