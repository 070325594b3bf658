"""Pages of the cache: nobody loses one, and nobody has another's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unitconv.inference.old_engine.attention import InPages
from unitconv.inference.old_engine.pages import Pages

SIZE, A_SLOT = 4, 5


@given(st.data())
@settings(max_examples=100)
def test_what_a_slot_wrote_is_what_it_reads(data: st.DataObject) -> None:
    """Slots come, grow, move and leave, each with its own writing."""
    slots = data.draw(st.integers(1, 6))
    pages = Pages(slots, A_SLOT, SIZE, "cpu")
    memory: dict[int, str] = {}
    written: dict[int, list[str]] = {slot: [] for slot in range(slots)}
    for time in range(data.draw(st.integers(1, 30))):
        slot, other = data.draw(
            st.tuples(st.integers(0, slots - 1), st.integers(0, slots - 1))
        )
        act = data.draw(st.sampled_from(["grow", "grow", "leave", "move"]))
        if act == "grow":
            length = data.draw(st.integers(0, SIZE * A_SLOT))
            pages.cover([slot], [length])
            for page in pages.of[slot][len(written[slot]) :]:
                memory[page] = f"{slot} at {time}, {page}"
                written[slot].append(memory[page])
        elif act == "leave":
            pages.release(slot)
            written[slot] = []
        elif not written[other]:
            pages.hand(slot, other)
            written[other], written[slot] = written[slot], []
        moves = pages.close_up()
        copied = [memory[source] for source, _ in moves]
        for (_, target), text in zip(moves, copied, strict=True):
            memory[target] = text
        pages.cover([], [])  # as before each pass
        for owner, text in written.items():
            assert [memory[page] for page in pages.of[owner]] == text
            line = pages.of[owner] + [0] * (A_SLOT - len(text))
            assert pages.table[owner].tolist() == line
        held = [page for some in pages.of for page in some]
        assert len(held) == len(set(held))
        assert all(0 < page < pages.end for page in held)
        assert pages.end - 1 <= slots * A_SLOT
        # Holes are few: a step reads them as well.
        assert pages.end - 1 - len(held) <= pages.end / 8


@pytest.mark.parametrize("length", [0, 1, 4, 5, 8])
def test_as_many_pages_as_tokens_fill(length: int) -> None:
    pages = Pages(2, A_SLOT, SIZE, "cpu")
    pages.cover([1], [length])
    assert len(pages.of[1]) == -(-length // SIZE)
    pages.cover([1], [0])  # a slot keeps what it has
    assert len(pages.of[1]) == -(-length // SIZE)


def test_the_only_page_is_the_first() -> None:
    pages = Pages(1, 1, 64, "cpu")
    for _ in range(2):
        pages.cover([0], [3])
        assert (pages.of, pages.end) == ([[0]], 1)
        pages.release(0)


def test_readers_of_pages() -> None:
    pages = Pages(3, A_SLOT, SIZE, "cpu")
    pages.cover([2, 0], [9, 4])  # pages 1 to 3, and 4
    pages.cover([0], [5])  # page 5
    table, place, row = pages.readers(3, 3, pages.end)
    assert table.tolist() == [[4, 5, 0], [0, 0, 0], [1, 2, 3]]
    assert row[1:].tolist() == [2, 2, 2, 0, 0]
    assert place[1:].tolist() == [6, 7, 8, 0, 1]


def test_a_page_that_nobody_has_gives_nothing() -> None:
    """Whatever weight falls on it: surplus rows of a bucket have some."""
    pages = Pages(2, 2, 1, "cpu")
    pages.cover([0, 1], [2, 1])
    values = torch.tensor([9.0, 1.0, 2.0, 3.0]).view(4, 1, 1, 1)
    readers = pages.readers(2, 2, pages.end)
    mask = readers.by_page(torch.zeros(2, 1, 1, 1, 2))
    there = InPages(values, values, readers, mask)
    mixed = there.mixed(torch.ones(2, 1, 1, 2))
    assert mixed.flatten().tolist() == [1.0 + 2.0, 3.0]


def test_a_row_without_pages_makes_no_nan() -> None:
    """What a surplus row of a bucket sees is nobody's, but numbers."""
    pages = Pages(2, 2, 2, "cpu")
    pages.cover([0], [2])
    readers = pages.readers(2, 2, pages.end)
    hidden = torch.tensor([[0.0, 0.0, -torch.inf, -torch.inf]] * 2)
    mask = readers.by_page(hidden[:, None, None, None])
    keys = torch.ones(pages.end, 1, 2, 1)
    scores = torch.empty(2, 1, 1, 4)
    InPages(keys, keys, readers, mask).score(torch.ones(2, 1, 1, 1), scores)
    weights = scores.softmax(-1)
    assert weights[0].flatten().tolist() == [0.5, 0.5, 0.0, 0.0]
    assert weights[1].isfinite().all()
