"""Who has which page of the cache: the host's view, and the device's table.

Pages are dealt out as an operating system deals out memory (Kwon et al.
2023, "PagedAttention", arXiv:2309.06180): any page may hold any part of any
slot, and a table says which. A step reads the first pages, all that are in
use, in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

import torch
from torch import Tensor

#: Pages of which so large a share is nobody's are moved together.
HOLES = 1 / 8


class Readers(NamedTuple):
    """Who reads which page in a step, and where its tokens belong."""

    #: The first pages of each slot, 0 where it has fewer [rows, some].
    table: Tensor
    #: Which place of all places of the table a page has [pages]. A page
    #: nobody has is read for nobody.
    place: Tensor
    #: The row of that place [pages].
    row: Tensor

    def by_page(self, mask: Tensor) -> Tensor:
        """What rows do not see, [rows, 1, 1, width, own], as each page is
        asked: [pages, 1, 1, width, page].

        Page 0 stands where a row has none, and is not seen. But the
        surplus rows of a bucket have nothing else, and of scores that are
        all -inf a softmax would make NaNs, and write them there.
        """
        parts = mask.unflatten(-1, (self.table.shape[1], -1))
        by_place = parts.movedim(-2, 1).flatten(0, 1)
        found = by_place.index_select(0, self.place)
        found[:1] = torch.finfo(found.dtype).min
        return found


class Pages:
    """The pages of each slot.

    Args:
        slots: how many there are.
        a_slot: pages a slot may come to need.
        size: tokens of a page.
    """

    def __init__(
        self, slots: int, a_slot: int, size: int, device: Any
    ) -> None:
        self.size, self.a_slot = size, a_slot
        self.of: list[list[int]] = [[] for _ in range(slots)]
        self.table = torch.zeros(
            (slots, a_slot), dtype=torch.long, device=device
        )
        #: From here on no page is in use. Page 0 is nobody's, unless it is
        #: the only one.
        self.end = int(slots * a_slot > 1)
        self._free: list[int] = []
        self._changed: set[int] = set()

    def cover(self, slots: Sequence[int], lengths: Sequence[int]) -> None:
        """Each slot gets the pages that it lacks for so many tokens."""
        for slot, length in zip(slots, lengths, strict=True):
            lacks = -(-length // self.size) - len(self.of[slot])
            if lacks > 0:
                self.of[slot] += [self._take() for _ in range(lacks)]
                self._changed.add(slot)
        self._tell()

    def _take(self) -> int:
        if self._free:
            return heappop(self._free)
        self.end += 1
        return self.end - 1

    def release(self, slot: int) -> None:
        """A slot gives its pages back."""
        for page in self.of[slot]:
            heappush(self._free, page)
        self.of[slot] = []
        self._changed.add(slot)

    def hand(self, source: int, target: int) -> None:
        """All pages of a slot become those of another, which has none."""
        self.of[target], self.of[source] = self.of[source], []
        self._changed |= {source, target}

    def close_up(self) -> list[tuple[int, int]]:
        """If too many are nobody's, the last pages are to move there.

        Returns:
            which pages are to be copied, and where to.
        """
        if len(self._free) <= self.end * HOLES:
            return []
        stay = self.end - len(self._free)
        holes = (page for page in self._free if page < stay)
        moves = []
        for slot, pages in enumerate(self.of):
            for number, page in enumerate(pages):
                if page >= stay:
                    pages[number] = next(holes)
                    moves.append((page, pages[number]))
                    self._changed.add(slot)
        self.end, self._free = stay, []
        return moves

    def _tell(self) -> None:
        """Write the lines of the table that have changed."""
        if self._changed:
            slots = sorted(self._changed)
            lines = [
                pages + [0] * (self.a_slot - len(pages))
                for pages in map(self.of.__getitem__, slots)
            ]
            self.table[slots] = torch.tensor(lines).to(self.table.device)
            self._changed.clear()

    def readers(self, rows: int, some: int, pages: int) -> Readers:
        """Of the first slots their first pages, `some` of each."""
        table = self.table[:rows, :some]
        places = torch.arange(rows * some, device=table.device)
        place = places.new_zeros(pages).scatter_(0, table.flatten(), places)
        return Readers(table, place, place // some)
