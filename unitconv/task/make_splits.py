"""How the four splits are made: conversions are dealt, then worded.

    python -m unitconv.task.make_splits  # writes the four files again
    # exits 1 if they would change
    python -m unitconv.task.make_splits --check
    python -m unitconv.task.make_splits --hidden 200 --seed 7 --out private

Every question is a quantity, a source unit, a target unit and a phrasing.
The splits are cut between the (quantity, source, target) triples, before
any sentence is written: whatever its spelling or its phrasing, a conversion
of the training set is never asked in a test. A hidden set, for a class or a
competition, asks nothing that any of the four asks.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Generic, TypeVar

from unitconv.common.errors import UnitconvError
from unitconv.task.dataset import DATA, Question, normalize
from unitconv.task.question_parser import Conversion
from unitconv.task.question_templates import (
    ABBREVIATIONS,
    HARD_PHRASINGS,
    PAIRS,
    PHRASINGS,
    PLURALS,
    RESERVED,
)
from unitconv.task.units import (
    BY_NAME,
    FAMILIES,
    SPELLINGS,
    UNITS,
    exact_factor,
)

T = TypeVar("T")

SEED = 1
SIZES = {"train": 1000, "valid": 200, "test": 1000, "test_hard": 500}
LARGEST_HIDDEN = 2000
# By how much a family is asked for; roughly how many pairs it has.
SHARES = {
    "time": 0.20,
    "mass": 0.15,
    "length": 0.20,
    "speed": 0.13,
    "volume": 0.22,
    "data": 0.10,
}
QUANTITIES = (*(float(n) for n in range(1, 13)), 0.5, 1.5, 2.5)
HARD_QUANTITIES = (
    tuple(float(n) for n in range(13, 100)),
    tuple(float(n) for n in range(100, 1000)),
    tuple(
        n / 100
        for n in range(5, 2000, 5)
        if n % 100 and n / 100 not in QUANTITIES
    ),
)
SMALLEST_ANSWER, LARGEST_ANSWER = 0.01, 1e7
# Nobody has 1.5 bits, and few people speak of 800 decades.
_WHOLE = {"bit", "byte"}
_AT_MOST = {"century": 50, "decade": 50, "year": 150, "ton": 500}
# The triples of one pair of units are dealt to the splits in this order, so
# that a pair asked in the test is practised in train, at other quantities.
_TURNS = ("train", "test", "train", "test", "valid") + ("train", "test") * 3
_SLIP = 0.15  # how often a noun does not agree with its number


@dataclass(frozen=True)
class Record:
    """A generated question with what it was made from."""

    text: str
    conversion: Conversion
    phrasing: str

    @property
    def question(self) -> Question:
        """What is asked and the answer, as the split's file holds it."""
        # Twelve digits are more than any grader looks at, and readable.
        return Question(self.text, float(f"{self.conversion.answer:.12g}"))


def make_splits(seed: int = SEED) -> dict[str, list[Record]]:
    """The four splits; the same seed gives the same questions.

    Only `Random.random` is used, because Python promises its sequence for
    a seed across versions, which it does not for `shuffle` or `choice`.
    """
    rng = random.Random(seed)
    hands = _deal_conversions(rng)
    splits = {
        split: _write_questions(SIZES[split], hands[split], PHRASINGS, rng)
        for split in hands
    }
    splits["test_hard"] = _hard_questions(SIZES["test_hard"], rng)
    return splits


def make_hidden(size: int, seed: int) -> list[Record]:
    """Questions like those of test_hard, of which no split asks any.

    Nearly all easy conversions are used up by the four splits, so only
    the quantities of test_hard leave room for a set that stands apart.

    Args:
        size: a multiple of 100, so that every family gets its share.
        seed: to be kept secret, since it is all one needs to make the
            set again.

    Raises:
        UnitconvError: not such a size, or more than `LARGEST_HIDDEN`.
    """
    if size not in range(100, LARGEST_HIDDEN + 1, 100):
        raise UnitconvError(
            f"a hidden set has 100, 200, ... {LARGEST_HIDDEN} questions"
        )
    shipped = make_splits()
    taken = {
        leak_key(record.conversion)
        for records in shipped.values()
        for record in records
    }
    return _hard_questions(size, random.Random(seed), taken)


def leak_key(conversion: Conversion) -> tuple[float, str, str]:
    """Equal for two conversions that ask the same thing.

    A milliliter and a cubic centimeter are one size, so 6 L in ml and 6 L
    in cc must not stand in two splits.
    """
    source, target = _twin(conversion.source), _twin(conversion.target)
    return conversion.quantity, source, target


@cache
def _twin(name: str) -> str:
    """The first unit of the same family and the same size."""
    unit = BY_NAME[name]
    family = (u for u in UNITS if u.family == unit.family)
    return next(u.name for u in family if exact_factor(unit, u) == 1)


def _shuffled(items: Iterable[T], rng: random.Random) -> list[T]:
    return sorted(items, key=lambda _: rng.random())


class _Deck(Generic[T]):
    """Deals its cards in random order, each once before any comes again."""

    def __init__(self, cards: Sequence[T], rng: random.Random) -> None:
        self._cards, self._rng = cards, rng
        self._left: list[T] = []

    def deal(self) -> T:
        if not self._left:
            self._left = _shuffled(self._cards, self._rng)
        return self._left.pop()


def _is_asked(conversion: Conversion) -> bool:
    """Would a person ask this, and is it free to be asked?"""
    quantity, source = conversion.quantity, conversion.source
    return (
        SMALLEST_ANSWER <= conversion.answer <= LARGEST_ANSWER
        and (quantity.is_integer() or source not in _WHOLE)
        and quantity <= _AT_MOST.get(source, math.inf)
        and leak_key(conversion) not in RESERVED
    )


def _deal_conversions(
    rng: random.Random,
) -> dict[str, dict[str, list[Conversion]]]:
    """Every easy conversion, in one split: split -> family -> list."""
    groups: dict[tuple[str, str], dict[float, list[Conversion]]] = {}
    for source, target in PAIRS:
        for quantity in QUANTITIES:
            conversion = Conversion(quantity, source, target)
            if _is_asked(conversion):
                _, *twins = leak_key(conversion)
                pair = groups.setdefault((twins[0], twins[1]), {})
                pair.setdefault(quantity, []).append(conversion)
    hands: dict[str, dict[str, list[Conversion]]] = {
        split: {family: [] for family in FAMILIES}
        for split in ("train", "valid", "test")
    }
    turn = cycle(_TURNS)
    for pair in groups.values():
        for group in _shuffled(pair.values(), rng):
            hands[next(turn)][group[0].family].extend(group)
    return hands


def _hard_questions(
    size: int,
    rng: random.Random,
    taken: AbstractSet[tuple[float, str, str]] = frozenset(),
) -> list[Record]:
    hard = {
        family: _hard_conversions(family, size, rng, taken)
        for family in FAMILIES
    }
    return _write_questions(size, hard, HARD_PHRASINGS, rng)


def _hard_conversions(
    family: str,
    size: int,
    rng: random.Random,
    taken: AbstractSet[tuple[float, str, str]],
) -> list[Conversion]:
    """Enough conversions of unseen quantities, no two alike, none taken."""
    pairs = _Deck([p for p in PAIRS if BY_NAME[p[0]].family == family], rng)
    kinds = _Deck([_Deck(kind, rng) for kind in HARD_QUANTITIES], rng)
    found: dict[tuple[float, str, str], Conversion] = {}
    while len(found) < round(SHARES[family] * size):
        conversion = Conversion(kinds.deal().deal(), *pairs.deal())
        key = leak_key(conversion)
        if _is_asked(conversion) and key not in taken:
            found.setdefault(key, conversion)
    return list(found.values())


def _write_questions(
    size: int,
    conversions: dict[str, list[Conversion]],
    phrasings: Sequence[str],
    rng: random.Random,
) -> list[Record]:
    """`size` different questions, each family by its share."""
    records: dict[str, Record] = {}
    phrasing_deck = _Deck(phrasings, rng)
    spell = _Speller(rng)
    for family in FAMILIES:
        deck = _Deck(conversions[family], rng)
        wanted = len(records) + round(SHARES[family] * size)
        while len(records) < wanted:
            phrasing = phrasing_deck.deal()
            record = _write(deck.deal(), phrasing, spell)
            records.setdefault(normalize(record.text), record)
    return _shuffled(records.values(), rng)


# Where "in" for inch can be told from the preposition.
_TAKES_IN = re.compile(r"(?:many|to|into) \{target\}(?! in| \{quantity\})")


def _write(
    conversion: Conversion, phrasing: str, spell: Callable[[str, bool], str]
) -> Record:
    source = spell(conversion.source, conversion.quantity != 1)
    target = spell(conversion.target, True)
    while target == "in" and not _TAKES_IN.search(phrasing):
        target = spell(conversion.target, True)
    text = phrasing.format(
        quantity=f"{conversion.quantity:g}", source=source, target=target
    )
    return Record(text, conversion, phrasing)


class _Speller:
    """Picks the spelling of a unit, now and then in the wrong number."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._decks: dict[tuple[str, bool], _Deck[str]] = {}

    def __call__(self, name: str, plural: bool) -> str:
        if self._rng.random() < _SLIP:
            plural = not plural
        key = name, plural
        if key not in self._decks:
            forms = [s for s in typed(name) if _agrees(s, plural)]
            self._decks[key] = _Deck(forms, self._rng)
        return self._decks[key].deal()


def typed(name: str) -> tuple[str, ...]:
    """What people type for a unit; a fluid ounce is mostly an "oz"."""
    extra = BY_NAME["ounce"].spellings if name == "fluid ounce" else ()
    return BY_NAME[name].spellings + extra


def _plural(spelling: str) -> str:
    noun, per, rest = spelling.partition(" per ")
    return PLURALS.get(noun, noun + "s") + per + rest


_SINGULAR_OF = {_plural(s): s for s in SPELLINGS if s not in ABBREVIATIONS}
_PLURAL = {s for s in SPELLINGS if s in _SINGULAR_OF} | {
    s + "s" for s in ABBREVIATIONS
}
_SINGULAR = {_SINGULAR_OF[s] for s in _PLURAL if s in _SINGULAR_OF}


def _agrees(spelling: str, plural: bool) -> bool:
    return spelling not in (_SINGULAR if plural else _PLURAL)


def question_words() -> set[str]:
    """The lower-case words of all phrasings and unit spellings.

    A format whose tag is one of these words would find it in the question.
    """
    text = " ".join((*PHRASINGS, *HARD_PHRASINGS, *SPELLINGS)).lower()
    for slot in ("{quantity}", "{source}", "{target}"):
        text = text.replace(slot, " ")
    return set(re.findall(r"[a-z]+", text))


def to_json(records: Iterable[Record]) -> str:
    """A split as its file holds it: one entry a line, 6000 for 6000.0."""
    lines = []
    for question in (record.question for record in records):
        answer: float = question.answer
        if answer.is_integer():
            answer = int(answer)
        lines.append(json.dumps([question.text, answer]))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the four files, check that nothing would change, or write a
    hidden set that asks nothing the four ask."""
    parser = argparse.ArgumentParser(
        prog="python -m unitconv.task.make_splits", description=main.__doc__
    )
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing, exit 1 on drift",
    )
    parser.add_argument(
        "--hidden",
        type=int,
        metavar="N",
        help="write only hidden.json, with N questions; needs a secret "
        "--seed and a folder --out that you do not publish",
    )
    options = parser.parse_args(arguments)
    if options.hidden is None:
        made = make_splits(SEED if options.seed is None else options.seed)
    elif options.seed is None or options.out == DATA:
        parser.error("--hidden needs a --seed and an --out of your own")
    else:
        try:
            hidden = make_hidden(options.hidden, options.seed)
        except ValueError as error:
            parser.error(str(error))
        made = {"hidden": hidden}
    stale = []
    for split, records in made.items():
        # Bytes: a text file would get other line ends on Windows.
        content = to_json(records).encode()
        path = options.out / f"{split}.json"
        if path.is_file() and path.read_bytes() == content:
            continue
        stale.append(str(path))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    verb = "differs" if options.check else "written"
    print("\n".join(f"{verb}: {p}" for p in stale) or "nothing has changed")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
