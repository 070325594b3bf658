"""Question parser: from a sentence to the conversion it asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from unitconv.task.arithmetic import as_decimal, needs_steps, round_fact
from unitconv.task.units import (
    BY_NAME,
    UnitError,
    exact_factor,
    is_distant,
    lookup,
    resolve,
    unit_pattern,
)

#: How hard a conversion is to work out.
DIFFICULTIES = ("1 digit", "2 digits", "3 digits", "decimals", "two-hop")
#: Whether the product of quantity and factor takes steps to work out.
PRODUCTS = ("short product", "long product")


@dataclass(frozen=True)
class Conversion:
    """A quantity, and the names (`Unit.name`) of two units."""

    quantity: float
    source: str
    target: str

    @property
    def answer(self) -> float:
        """The quantity converted to `target`, by pint."""
        factor = exact_factor(BY_NAME[self.source], BY_NAME[self.target])
        return float(Fraction(repr(float(self.quantity))) * factor)

    @property
    def family(self) -> str:
        """The family of both units, such as `mass`."""
        return BY_NAME[self.source].family

    @property
    def difficulty(self) -> str:
        """One of `DIFFICULTIES`: by the units, then by the quantity.

        Whole numbers of more than three digits count as three.
        """
        if is_distant(BY_NAME[self.source], BY_NAME[self.target]):
            return "two-hop"
        if not self.quantity.is_integer():
            return "decimals"
        digits = len(f"{abs(self.quantity):.0f}")
        return DIFFICULTIES[min(digits, 3) - 1]

    @property
    def product(self) -> str:
        """One of `PRODUCTS`: long if `needs_steps` says so."""
        factor = exact_factor(BY_NAME[self.source], BY_NAME[self.target])
        long = needs_steps(
            Decimal(repr(self.quantity)), round_fact(as_decimal(factor))
        )
        return PRODUCTS[long]


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
    r"|light|dry|binary|bank|common)[.\s-]\s*$",
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
    """Parse the conversion that a sentence asks for; None if unclear.

    The sentence must name two units that measure the same thing and one
    quantity, before the source ("6 kg", "half a mile") or apart from a
    "from kg to g". A sentence that could mean two things gives None, and so
    do a third unit or square feet. Never raises.

    >>> parse_question("How many gram are there per 6 kg?")
    Conversion(quantity=6.0, source='kilogram', target='gram')
    """
    if len(text) > _LONGEST_QUESTION:
        return None
    units = _find_units(text)
    names = {lookup(unit.group()).name for unit in units}
    counted = _find_quantity(text, units)
    if len(names) != 2 or counted is None:
        return None
    quantity, source = counted
    unit = lookup(source.group())
    target = next(u for u in units if lookup(u.group()) != unit)
    try:
        a, b = resolve(source.group(), target.group())
    except UnitError:
        return None
    return None if a == b else Conversion(quantity, a.name, b.name)


def _find_units(text: str) -> list[re.Match[str]]:
    """Find the units in order, "in" only where it must be the inch."""
    matches = list(_UNIT.finditer(text))
    units = [unit for unit in matches if unit.group() != "in"]
    if any(_OTHER_UNIT.search(text[: unit.start()]) for unit in units):
        return []
    ambiguous = [unit for unit in matches if unit.group() == "in"]
    starts = {unit.start() for unit in units}
    for inch in ambiguous:
        space = re.match(r"\s*", text[inch.end() :])
        # "6 in to feet", but "6 in feet" has lost its unit.
        follows = re.search(r"(?<![*^])[0-9]\s*-?$", text[: inch.start()])
        if follows and space and inch.end() + space.end() not in starts:
            units.append(inch)
    if len({lookup(unit.group()) for unit in units}) < 2:
        units += [
            match
            for match in ambiguous
            if match not in units and _is_inch(text, match)
        ]
    return sorted(units, key=lambda unit: unit.start())


def _is_inch(text: str, match: re.Match[str]) -> bool:
    """Return True if the words around this "in" make it an inch."""
    before, after = text[: match.start()], text[match.end() :]
    if re.match(r"\s+(?:to|into)\b", after):
        return True
    word_before = re.search(r"\b(?:many|to|into|from|in)\s+$", before)
    # "How many in 6 ft?" has lost its unit.
    return bool(
        word_before and not re.match(r"\s+(?:[0-9]|an?\b|one\b)", after)
    )


def _find_quantity(
    text: str, units: list[re.Match[str]]
) -> tuple[float, re.Match[str]] | None:
    """Find the only quantity of the sentence and the unit it counts."""
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
    """Read the digits; None for 2,5 and 1.2.3, 1/2, 6th and 6%."""
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
    """Find the unit after a number, or the kg of "from kg to g for 6"."""
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
