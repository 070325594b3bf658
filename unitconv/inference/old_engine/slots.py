"""Who has which slot: the host's view, and the device's columns.

Live branches are the first slots. A row that is done leaves a hole, which
the next branch fills, or the last live one once nobody waits. Rows of a
branch that draw different tokens part, and one of the parts takes a slot
of its own with a copy of what both have read. The pages of a slot go
where its branch goes (`unitconv.inference.old_engine.pages`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from unitconv.inference.old_engine.cache import PagedCache
from unitconv.inference.old_engine.rows import Branch, Row, part
from unitconv.inference.reference import StopRule


class Slots:
    """Branches in slots, with their part of the cache.

    Args:
        count: how many slots there are. As many rows may be live, since
            each may come to need a slot of its own.
        n: rows a branch has at most.
        own_length: tokens of a prompt that are not in the prefix.
        together: do rows share a slot until they part?
    """

    def __init__(
        self,
        count: int,
        n: int,
        cache: PagedCache,
        own_length: Callable[[int], int],
        together: bool,
        device: torch.device,
    ) -> None:
        self.count, self.n, self.cache = count, n, cache
        self.own_length, self.together = own_length, together
        self.device = device
        self.live: list[Branch] = []
        # A column for each slot, all that a step needs to know: the token
        # to be read next; how many own tokens the cache holds; how many
        # were generated; the keys of the rows' noise.
        self.state = torch.zeros(
            (3 + n, count), dtype=torch.long, device=device
        )
        self.tokens, self.lengths, self.counts = self.state[:3]
        self.keys = self.state[3 : 3 + (n if together else 1)].T

    @property
    def free(self) -> int:
        """Rows that may come in."""
        return self.count - sum(map(len, self.live))

    @property
    def widest(self) -> int:
        """Rows of the largest branch, and tokens that a slot draws."""
        return max(map(len, self.live), default=1)

    def length(self, branch: Branch) -> int:
        """Own tokens of a branch, the one to be read next included."""
        row = branch[0]
        return self.own_length(row.prompt) + len(row.token_ids)

    def vacant(self, count: int) -> list[int]:
        """Slots that nobody has, holes first."""
        holes = [i for i, branch in enumerate(self.live) if not branch]
        end = len(self.live)
        self.live += [[] for _ in range(count - len(holes))]
        return [*holes, *range(end, len(self.live))][:count]

    def settle(
        self, slots: Sequence[int], drawn: Any, stop: StopRule
    ) -> list[Row]:
        """Rows take their tokens; those that drew different ones part.

        Args:
            drawn: nested lists of tokens [slots, n, burst].

        Returns:
            the rows that are done now.
        """
        gone: list[Row] = []
        changed: list[int] = []
        parted: list[tuple[int, Branch]] = []
        for slot, tokens in zip(slots, drawn, strict=True):
            branch = self.live[slot]
            for row, some in zip(branch, tokens, strict=False):
                row.take(some, stop)
            if self._goes_on(branch):
                continue
            going, *others = part(branch, self.together) or [[]]
            if len(going) < len(branch):
                gone += [row for row in branch if row.done]
                changed.append(slot)
            elif len(going[0].token_ids) == 1:  # they have just come in
                changed.append(slot)
            self.live[slot] = going
            if not going:
                self.cache.pages.release(slot)
            parted += [(slot, other) for other in others]
        self._tell([*changed, *self._fork(parted)])
        return gone

    def _goes_on(self, branch: Branch) -> bool:
        """Is nothing to be told of it? Of most slots, at most steps."""
        row = branch[0]
        return len(branch) == 1 < len(row.token_ids) and not row.done

    def _fork(self, parted: list[tuple[int, Branch]]) -> list[int]:
        """What left a slot gets a copy of it: the slots of the copies."""
        targets = self.vacant(len(parted))
        for target, (_, branch) in zip(targets, parted, strict=True):
            self.live[target] = branch
        # The last token of each is still to be read.
        lengths = [self.length(branch) - 1 for _, branch in parted]
        self.cache.copy([slot for slot, _ in parted], targets, lengths)
        return targets

    def close_up(self) -> None:
        """The last branches move into the holes that nobody has filled."""
        stay = sum(map(bool, self.live))
        holes = [i for i in range(stay) if not self.live[i]]
        movers = [i for i in range(stay, len(self.live)) if self.live[i]]
        for hole, mover in zip(holes, movers, strict=True):
            self.live[hole] = self.live[mover]
            self.cache.pages.hand(mover, hole)
        del self.live[stay:]
        self._tell(holes)
        self.cache.close_up()

    def row_keys(self, branch: Branch) -> list[int]:
        """As many as there may be; the last ones draw for nobody."""
        keys = [row.key for row in branch]
        return keys + [0] * (self.n - len(keys))

    def _tell(self, slots: list[int]) -> None:
        """Write the columns of these slots."""
        slots = [slot for slot in slots if self.live[slot]]
        if slots:
            columns = [self._column(self.live[slot]) for slot in slots]
            self.state[:, self.tensor(slots)] = self.tensor(columns).T

    def _column(self, branch: Branch) -> list[int]:
        tokens, in_cache = branch[0].token_ids, self.length(branch) - 1
        keys = self.row_keys(branch)
        return [tokens[-1], in_cache, len(tokens) - 1, *keys]

    def tensor(self, numbers: Any) -> Tensor:
        """Whole numbers, on the device."""
        return torch.tensor(numbers, dtype=torch.long, device=self.device)
