"""The question set: how it is made, how it is read, what a sentence asks.

    python -m unitconv.questions            # writes the four files again
    python -m unitconv.questions --check    # exits 1 if they would change

Every question is a quantity, a source unit, a target unit and a phrasing.
The splits are cut between the (quantity, source, target) triples, before
any sentence is written: whatever its spelling or its phrasing, a conversion
of the training set is never asked in a test.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Generic, TypeVar

from unitconv.phrasings import (
    ABBREVIATIONS,
    HARD_PHRASINGS,
    PAIRS,
    PHRASINGS,
    PLURALS,
    RESERVED,
)
from unitconv.units import (
    BY_NAME,
    FAMILIES,
    SPELLINGS,
    UNITS,
    UnitError,
    exact_factor,
    lookup,
    resolve,
    unit_pattern,
)

SPLITS: tuple[str, ...] = ("train", "valid", "test", "test_hard")
DATA = Path(__file__).with_name("data")
T = TypeVar("T")


class DataError(ValueError):
    """A question file that cannot be read; names the file and the entry."""


@dataclass(frozen=True)
class Question:
    """What a model is asked, and the number it is graded against."""

    text: str
    answer: float


@dataclass(frozen=True)
class Conversion:
    """What a question asks for. Units are canonical names (`Unit.name`)."""

    quantity: float
    source: str
    target: str

    @property
    def answer(self) -> float:
        """`quantity` counted in `target`, by pint."""
        factor = exact_factor(BY_NAME[self.source], BY_NAME[self.target])
        return float(Fraction(repr(float(self.quantity))) * factor)

    @property
    def family(self) -> str:
        return BY_NAME[self.source].family


@dataclass(frozen=True)
class Record:
    """A generated question with what it was made from."""

    text: str
    conversion: Conversion
    phrasing: str

    @property
    def question(self) -> Question:
        # Twelve digits are more than any grader looks at, and readable.
        return Question(self.text, float(f"{self.conversion.answer:.12g}"))


# ------------------------------------------------------------ the generator

SEED = 1
SIZES = {"train": 1000, "valid": 200, "test": 1000, "test_hard": 500}
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
    hard = {family: _hard_conversions(family, rng) for family in FAMILIES}
    splits["test_hard"] = _write_questions(
        SIZES["test_hard"], hard, HARD_PHRASINGS, rng
    )
    return splits


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


def _hard_conversions(family: str, rng: random.Random) -> list[Conversion]:
    """Enough conversions of unseen quantities, no two alike."""
    pairs = _Deck([p for p in PAIRS if BY_NAME[p[0]].family == family], rng)
    kinds = _Deck([_Deck(kind, rng) for kind in HARD_QUANTITIES], rng)
    found: dict[tuple[float, str, str], Conversion] = {}
    while len(found) < round(SHARES[family] * SIZES["test_hard"]):
        conversion = Conversion(kinds.deal().deal(), *pairs.deal())
        if _is_asked(conversion):
            found.setdefault(leak_key(conversion), conversion)
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


def normalize(text: str) -> str:
    """Equal for questions that differ in case, spaces or the last mark."""
    return " ".join(text.casefold().split()).rstrip("?.! ")


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


# ---------------------------------------------------------------- the files


def load_split(name: str) -> list[Question]:
    """One of `SPLITS`, from the package.

    Raises:
        DataError: there is no such split.
    """
    if name not in SPLITS:
        raise DataError(
            f"unknown split {name!r}: choose from {', '.join(SPLITS)}"
        )
    return read_questions(DATA / f"{name}.json")


def read_questions(path: str | Path) -> list[Question]:
    """The questions of a JSON file `[["question", answer], ...]`.

    Raises:
        DataError: no such file, not JSON, or an entry that is no pair of a
            question and a finite number. Entries are counted from 1.
    """
    entries = _read_json(path)
    if not isinstance(entries, list) or not entries:
        raise DataError(
            f"{path}: expected a list with at least one entry, as in "
            '[["How many g are in 2 kg?", 2000]]'
        )
    return [
        _to_question(entry, f"{path}: entry {number}")
        for number, entry in enumerate(entries, start=1)
    ]


def _read_json(path: str | Path) -> object:
    try:
        # "utf-8-sig" also takes the byte-order mark some editors write.
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: line {error.lineno}, column {error.colno}: "
            f"this is not JSON ({error.msg})"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _to_question(entry: object, where: str) -> Question:
    if not isinstance(entry, list) or len(entry) != 2:
        raise DataError(f"{where}: expected [question, answer]")
    text, answer = entry
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: the question must be a text, not empty")
    # To Python, True is the number 1.
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        raise DataError(
            f"{where}: the answer must be a number, not {answer!r}"
        )
    try:
        value = float(answer)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise DataError(f"{where}: the answer must be a finite number")
    return Question(text, value)


def to_json(records: Iterable[Record]) -> str:
    """A split as its file holds it: one entry a line, 6000 for 6000.0."""
    lines = []
    for question in (record.question for record in records):
        answer: float = question.answer
        if answer.is_integer():
            answer = int(answer)
        lines.append(json.dumps([question.text, answer]))
    return "[\n" + ",\n".join(lines) + "\n]\n"


# ------------------------------------------------ what does a sentence ask?

_UNIT = re.compile(rf"(?<![^\W\d])(?<!['’./^*]){unit_pattern()}(?!['’])")
_NUMBER = re.compile(
    r"(?:(?<!\S)[-−])?(?:(?<![\w.])\.)?"
    r"[0-9]+(?:[.,][0-9]+)*(?:[eE][-+]?[0-9]+)?"
)
_PLAIN_NUMBER = re.compile(
    r"-?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?:[eE][-+]?[0-9]+)?"
)
_COUNTS = {
    "half a": 0.5, "half an": 0.5, "a": 1.0, "an": 1.0, "one": 1.0,
    "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0,
    "seven": 7.0, "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0,
    "twelve": 12.0,
}  # fmt: skip
_COUNT = re.compile(rf"\b(?P<count>(?ai:{'|'.join(_COUNTS)}))[\s-]\s*$")
# With one of these about, a number is more than its digits.
_MORE_NUMBERS = re.compile(
    r"\b(?:half|quarters?|thirds?|dozens?|hundreds?|thousands?|millions?"
    r"|billions?|\w+teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|twice|double|couple|few|several)\b",
    re.IGNORECASE,
)
# "square feet" are not feet.
_OTHER_UNIT = re.compile(
    r"\b(?:square|sq|cubic|nautical|troy|imperial|uk|british|short|long"
    r"|light|dry)[.\s-]\s*$",
    re.IGNORECASE,
)
_APART_BEFORE = re.compile(
    r"(?:^|[:;,.?!(]|\b(?:for|convert|change|do|is))\s*$", re.IGNORECASE
)
_APART_AFTER = re.compile(r"\s*(?:$|[.,;:?!)]|(?:units?|from|please)\b)")
_TO = re.compile(r"\s*(?:to|into|->|=>|→)\s*", re.IGNORECASE)
_LARGEST_QUANTITY = 1e100  # beyond it, an answer may be no finite float
_LONGEST_QUESTION = 500  # characters; beyond it, a text asks many things


def parse_question(text: str) -> Conversion | None:
    """Which conversion a sentence asks for, or None if that is not clear.

    It wants two units that measure the same thing and one quantity, which
    stands before the source ("6 kg", "half a mile") or apart from a "from
    kg to g". Two quantities, a third unit, square feet: None, not a guess.
    Never raises.

    >>> parse_question("How many gram are there per 6 kg?")
    Conversion(quantity=6.0, source='kilogram', target='gram')
    """
    if len(text) > _LONGEST_QUESTION:
        return None
    units = _find_units(text)
    names = {lookup(unit.group()).name for unit in units}
    found = _find_quantity(text, units)
    if len(names) != 2 or found is None:
        return None
    quantity, source = found
    here = lookup(source.group())
    target = next(u for u in units if lookup(u.group()) != here)
    try:
        a, b = resolve(source.group(), target.group())
    except UnitError:
        return None
    return None if a == b else Conversion(quantity, a.name, b.name)


def _find_units(text: str) -> list[re.Match[str]]:
    """The units named, in order; "in" only where it must be the inch."""
    found = list(_UNIT.finditer(text))
    units = [unit for unit in found if unit.group() != "in"]
    if any(_OTHER_UNIT.search(text[: unit.start()]) for unit in units):
        return []
    maybe = [unit for unit in found if unit.group() == "in"]
    starts = {unit.start() for unit in units}
    for inch in maybe:
        space = re.match(r"\s*", text[inch.end() :])
        # "6 in to feet", but "6 in feet" has lost its unit.
        follows = re.search(r"(?<![*^])[0-9]\s*-?$", text[: inch.start()])
        if follows and space and inch.end() + space.end() not in starts:
            units.append(inch)
    if len({lookup(unit.group()) for unit in units}) < 2:
        units += [m for m in maybe if m not in units and _is_inch(text, m)]
    return sorted(units, key=lambda unit: unit.start())


def _is_inch(text: str, match: re.Match[str]) -> bool:
    """Is this "in" an inch, by the words around it?"""
    before, after = text[: match.start()], text[match.end() :]
    if re.match(r"\s+(?:to|into)\b", after):
        return True
    asked = re.search(r"\b(?:many|to|into|from|in)\s+$", before)
    # "How many in 6 ft?" has lost its unit.
    return bool(asked and not re.match(r"\s+(?:[0-9]|an?\b|one\b)", after))


def _find_quantity(
    text: str, units: list[re.Match[str]]
) -> tuple[float, re.Match[str]] | None:
    """The only quantity of the sentence and the unit it counts."""
    rest = text
    for unit in units:  # the 3 of cm^3 is not a quantity
        blank = "\0" * len(unit.group())
        rest = rest[: unit.start()] + blank + rest[unit.end() :]
    numbers = list(_NUMBER.finditer(rest))
    counts = [
        (count, unit)
        for unit in units
        if (count := _COUNT.search(rest[: unit.start()]))
        # Beside digits, "a" is an article: "What part of a mile is 6 ft?"
        and not (numbers and count["count"].lower() in ("a", "an"))
    ]
    for count, _ in counts:
        blank = "\0" * len(count.group())
        rest = rest[: count.start()] + blank + rest[count.end() :]
    if len(numbers) + len(counts) != 1 or _MORE_NUMBERS.search(rest):
        return None
    if counts:
        count, unit = counts[0]
        return _COUNTS[" ".join(count["count"].lower().split())], unit
    value = _to_number(rest, numbers[0])
    counted = _counted_unit(text, numbers[0], units)
    return None if value is None or counted is None else (value, counted)


def _to_number(text: str, match: re.Match[str]) -> float | None:
    """What the digits say; None for 2,5 and 1.2.3, 1/2, 6th and 6%."""
    digits = match.group().replace("−", "-")
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    if before.isalnum() or (before and before in "/^*_.-−$€£#"):
        return None
    if after.isalnum() or (after and after in "/^*_%°'\""):
        return None
    if not _PLAIN_NUMBER.fullmatch(digits):
        return None
    value = float(digits.replace(",", ""))
    return value if abs(value) <= _LARGEST_QUANTITY else None


def _counted_unit(
    text: str, number: re.Match[str], units: list[re.Match[str]]
) -> re.Match[str] | None:
    """The unit after a number, or the first of "from kg to g for 6"."""
    for unit in units:
        gap = text[number.end() : max(number.end(), unit.start())]
        if unit.start() >= number.end() and re.fullmatch(r"\s*-?\s*", gap):
            return unit
    apart = _APART_BEFORE.search(text[: number.start()])
    apart = apart and _APART_AFTER.match(text[number.end() :])
    if not apart or len(units) != 2:
        return None
    between = text[units[0].end() : units[1].start()]
    return units[0] if _TO.fullmatch(between) else None


# --------------------------------------------------------- the command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the four files, or check that nothing would change."""
    parser = argparse.ArgumentParser(
        prog="python -m unitconv.questions", description=main.__doc__
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing, exit 1 on drift",
    )
    options = parser.parse_args(arguments)
    stale = []
    for split, records in make_splits(options.seed).items():
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
