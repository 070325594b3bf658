"""Units: their spellings, and exact conversion factors by pint.

Every number comes from `pint <https://pint.readthedocs.io>`__ (the tests
compare it with NIST SP 811). `data/units.json` holds the spellings people
type. A spelling that means two things needs a decision, each with a test:

- **ton** is the metric ton (1000 kg), like *tonne*.
- an **ounce** is a fluid ounce when the other side is a volume, otherwise
  the avoirdupois ounce.
- **gallon, quart, pint, fluid ounce** are the US liquid ones.
- a **year** is the Julian year of 365.25 days and a **month** a twelfth of
  it; decades and centuries are 10 and 100 such years.
- data prefixes are decimal (1 kB = 1 KB = 1000 bytes); a lone **M** or
  **G** stands for MB or GB.
- capitals matter only in spellings of one or two letters (*m* metre and
  *M* megabyte): `Gallons` is a gallon.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import pint

from unitconv.common.errors import UnitconvError


class UnitError(UnitconvError):
    """A unit that is unknown, or two that measure different things."""


@dataclass(frozen=True)
class Unit:
    """A unit: its pint expression, and how people spell it."""

    name: str
    family: str
    definition: str
    spellings: tuple[str, ...]

    @property
    def symbol(self) -> str:
        """The first spelling, used to print the unit."""
        return self.spellings[0]


_FILE = Path(__file__).with_name("data") / "units.json"
_TABLES = json.loads(_FILE.read_text("utf-8"))
UNITS: tuple[Unit, ...] = tuple(
    Unit(row["name"], family, row["definition"], tuple(row["spellings"]))
    for family, rows in _TABLES["families"].items()
    for row in rows
)
FAMILIES: tuple[str, ...] = tuple(_TABLES["families"])
BY_NAME: dict[str, Unit] = {unit.name: unit for unit in UNITS}
SPELLINGS: dict[str, Unit] = {s: u for u in UNITS for s in u.spellings}

# Spellings that already exclude the short ton.
METRIC_TON_SPELLINGS: frozenset[str] = frozenset(
    {"tonne", "tonnes", "metric ton", "metric tons"}
)


def _alternative_units() -> Iterator[Unit]:
    for prefix, definitions in _TABLES["alternatives"].items():
        for name, definition in definitions.items():
            spellings = BY_NAME[name].spellings
            if name == "fluid ounce":
                spellings += BY_NAME["ounce"].spellings
            yield Unit(
                name=f"{prefix} {name}",
                family=BY_NAME[name].family,
                definition=definition,
                spellings=tuple(
                    f"{prefix} {spelling}"
                    for spelling in spellings
                    if spelling not in METRIC_TON_SPELLINGS
                ),
            )


#: Other units of the same plain name. A question never means them unless
#: it says so, but a text that names one can be true.
ALTERNATIVE_UNITS: dict[str, Unit] = {
    unit.name: unit for unit in _alternative_units()
}
_ALL_SPELLINGS = SPELLINGS | {
    s: u for u in ALTERNATIVE_UNITS.values() for s in u.spellings
}
_LOWERCASE = {s.lower(): u for s, u in _ALL_SPELLINGS.items() if len(s) > 2}


def alternative_definitions(unit: Unit) -> list[Unit]:
    """List units of the same plain name, such as ton and short ton."""
    return [
        other
        for other in ALTERNATIVE_UNITS.values()
        if other.name.partition(" ")[2] == unit.name
    ]


def unit_pattern(alternatives: bool = False) -> str:
    """Build a regular expression for any spelling, longest first.

    Spellings of three letters and more match in any case; short ones are
    exact, because *m* and *M* differ.

    Args:
        alternatives: also match `ALTERNATIVE_UNITS`, such as `UK gallon`.
    """
    spellings = _ALL_SPELLINGS if alternatives else SPELLINGS
    ordered = sorted(spellings, key=len, reverse=True)
    long = "|".join(re.escape(s) for s in ordered if len(s) > 2)
    short = "|".join(re.escape(s) for s in ordered if len(s) <= 2)
    # "m" is no unit in "m/s", "m^3", "m**3" or "more".
    # "a": letter case as in ASCII; Unicode takes a long s for an s.
    return rf"(?:(?ai:{long})|{short})(?!\w|\^|\*\*|/\w)"


def lookup(spelling: str) -> Unit:
    """Look up a unit by one of its spellings.

    Raises:
        UnitError: the spelling is neither one of `SPELLINGS` nor of an
            alternative unit.
    """
    clean = " ".join(spelling.split())
    unit = SPELLINGS.get(clean) or _LOWERCASE.get(clean.lower())
    if unit is None:
        raise UnitError(
            f"unknown unit {spelling!r}; known: "
            + ", ".join(u.symbol for u in UNITS)
        )
    return unit


def resolve(source: str, target: str) -> tuple[Unit, Unit]:
    """Look up the units of a conversion.

    An ounce is a fluid ounce where the other unit is a volume.

    Raises:
        UnitError: unknown unit, or the two measure different things.
    """
    a, b = lookup(source), lookup(target)
    if a.name == "ounce" and b.family == "volume":
        a = BY_NAME["fluid ounce"]
    if b.name == "ounce" and a.family == "volume":
        b = BY_NAME["fluid ounce"]
    if a.family != b.family:
        raise UnitError(
            f"{source!r} measures {a.family} and {target!r} measures "
            f"{b.family}: there is nothing to convert"
        )
    return a, b


@cache
def _registry() -> pint.UnitRegistry[Fraction]:
    # Fractions keep every definition exact (0.3048 m is 381/1250), so that
    # a factor is rounded once, at the end, and never prints 1000.0000001.
    return pint.UnitRegistry(non_int_type=Fraction)


@cache
def _in_base_units(definition: str) -> Fraction:
    quantity = _registry().parse_expression(definition).to_base_units()
    return Fraction(quantity.magnitude)


def exact_factor(source: Unit, target: Unit) -> Fraction:
    """Return how many `target` make one `source`, as a fraction."""
    in_base_units = _in_base_units(source.definition)
    return in_base_units / _in_base_units(target.definition)


def is_distant(source: Unit, target: Unit) -> bool:
    """Return True if people convert these through a third unit.

    So are units of very different size, such as days and seconds, and
    speeds per hour and per second.
    """
    times = {unit.name.rpartition(" per ")[2] for unit in (source, target)}
    near = 0.9e-4 < exact_factor(source, target) < 1.1e4
    return not near or times == {"hour", "second"}


def convert(quantity: float, source: str, target: str) -> float:
    """Convert `quantity` from `source` to `target`.

    >>> convert(3, "ounces", "pint")
    0.1875

    Raises:
        UnitError: unknown unit, or the two measure different things.
    """
    exact = Fraction(repr(float(quantity)))
    return float(exact * exact_factor(*resolve(source, target)))
