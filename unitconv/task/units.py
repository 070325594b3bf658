"""Ground truth: what a unit is called, and how many of one make another.

Every number comes from `pint <https://pint.readthedocs.io>`__ (the tests
hold it to NIST SP 811). This file adds only what pint cannot know: the
spellings people type, and a decision for every spelling that means two
things. The decisions, each held by a test:

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

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import pint

from unitconv.common.errors import UnitconvError


class UnitError(UnitconvError):
    """A unit that is unknown, or two that measure different things."""


@dataclass(frozen=True)
class Unit:
    """One unit, whatever its spelling.

    `definition` is a pint expression; `spellings` are what people type, the
    first being how we print it.
    """

    name: str
    family: str
    definition: str
    spellings: tuple[str, ...]

    @property
    def symbol(self) -> str:
        """How the unit is printed, which is its first spelling."""
        return self.spellings[0]


def _family(
    family: str, rows: Iterable[tuple[str, str, str]]
) -> list[Unit]:
    return [
        Unit(name, family, definition, tuple(spellings.split("|")))
        for name, definition, spellings in rows
    ]


UNITS: tuple[Unit, ...] = (
    *_family(
        "time",
        [
            ("second", "second", "s|sec|secs|second|seconds"),
            ("minute", "minute", "min|mins|minute|minutes"),
            ("hour", "hour", "h|hr|hrs|hour|hours"),
            ("day", "day", "day|days"),
            ("week", "week", "week|weeks"),
            ("month", "julian_year / 12", "month|months"),
            ("year", "julian_year", "year|years"),
            ("decade", "10 * julian_year", "decade|decades"),
            ("century", "100 * julian_year", "century|centuries"),
        ],
    ),
    *_family(
        "mass",
        [
            ("gram", "gram", "g|gram|grams"),
            ("kilogram", "kilogram", "kg|kilogram|kilograms"),
            (
                "ton",
                "metric_ton",
                "ton|tons|tonne|tonnes|metric ton|metric tons",
            ),
            ("pound", "pound", "lb|lbs|pound|pounds"),
            ("ounce", "ounce", "oz|ounce|ounces"),
        ],
    ),
    *_family(
        "length",
        [
            ("millimeter", "millimeter", "mm|millimeter|millimeters"),
            ("centimeter", "centimeter", "cm|centimeter|centimeters"),
            ("meter", "meter", "m|meter|meters|metre|metres"),
            (
                "kilometer",
                "kilometer",
                "km|kilometer|kilometers|kilometre|kilometres",
            ),
            ("inch", "inch", "in|inch|inches"),
            ("foot", "foot", "ft|foot|feet"),
            ("yard", "yard", "yd|yard|yards"),
            ("mile", "mile", "mi|mile|miles"),
        ],
    ),
    *_family(
        "speed",
        [
            (
                "meter per second",
                "meter / second",
                "m/s|meter per second|meters per second",
            ),
            (
                "foot per second",
                "foot / second",
                "ft/s|foot per second|feet per second",
            ),
            (
                "inch per second",
                "inch / second",
                "in/s|inch per second|inches per second",
            ),
            (
                "mile per hour",
                "mile / hour",
                "mph|mi/h|mile per hour|miles per hour",
            ),
            (
                "kilometer per hour",
                "kilometer / hour",
                "km/h|kmh|kilometer per hour|kilometers per hour"
                "|kilometre per hour|kilometres per hour",
            ),
        ],
    ),
    *_family(
        "volume",
        [
            ("liter", "liter", "l|L|liter|liters|litre|litres"),
            (
                "milliliter",
                "milliliter",
                "ml|mL|milliliter|milliliters|millilitre|millilitres",
            ),
            (
                "cubic centimeter",
                "centimeter ** 3",
                "cm^3|cm**3|cc|cubic centimeter|cubic centimeters",
            ),
            (
                "cubic meter",
                "meter ** 3",
                "m^3|m**3|cubic meter|cubic meters",
            ),
            (
                "cubic millimeter",
                "millimeter ** 3",
                "mm^3|mm**3|cubic millimeter|cubic millimeters",
            ),
            ("gallon", "gallon", "gallon|gallons"),
            ("quart", "quart", "quart|quarts"),
            ("pint", "pint", "pint|pints"),
            ("fluid ounce", "fluid_ounce", "fluid ounce|fluid ounces"),
        ],
    ),
    *_family(
        "data",
        [
            ("bit", "bit", "bit|bits"),
            ("byte", "byte", "B|byte|bytes"),
            ("kilobyte", "kilobyte", "kB|KB|kilobyte|kilobytes"),
            ("megabyte", "megabyte", "MB|M|megabyte|megabytes"),
            ("gigabyte", "gigabyte", "GB|G|gigabyte|gigabytes"),
        ],
    ),
)

# Units that share a plain name with one of the course's. A question never
# means them unless it says so, and a text that names them can be true.
_RIVALS: dict[str, dict[str, str]] = {
    "UK": {
        "gallon": "imperial_gallon",
        "quart": "imperial_quart",
        "pint": "imperial_pint",
        "fluid ounce": "imperial_fluid_ounce",
    },
    "short": {"ton": "short_ton"},
    "binary": {
        "kilobyte": "kibibyte",
        "megabyte": "mebibyte",
        "gigabyte": "gibibyte",
    },
    "bank": {"month": "30 * day"},
    "common": {
        "year": "365 * day",
        "decade": "3650 * day",
        "century": "36500 * day",
    },
}


# These say already that the metric ton is meant.
METRIC: frozenset[str] = frozenset(
    {"tonne", "tonnes", "metric ton", "metric tons"}
)


def _rivals() -> Iterator[Unit]:
    by_name = {unit.name: unit for unit in UNITS}
    for prefix, definitions in _RIVALS.items():
        for name, definition in definitions.items():
            spellings = by_name[name].spellings
            if name == "fluid ounce":
                spellings += by_name["ounce"].spellings
            if name == "ton":
                spellings = tuple(s for s in spellings if s not in METRIC)
            yield Unit(
                f"{prefix} {name}",
                by_name[name].family,
                definition,
                tuple(f"{prefix} {spelling}" for spelling in spellings),
            )


RIVALS: dict[str, Unit] = {unit.name: unit for unit in _rivals()}
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(u.family for u in UNITS))
BY_NAME: dict[str, Unit] = {unit.name: unit for unit in UNITS}
SPELLINGS: dict[str, Unit] = {s: u for u in UNITS for s in u.spellings}
_RIVAL_SPELLINGS = {s: u for u in RIVALS.values() for s in u.spellings}
_LOWERCASE = {
    spelling.lower(): unit
    for spelling, unit in (SPELLINGS | _RIVAL_SPELLINGS).items()
    if len(spelling) > 2
}


def namesakes(unit: Unit) -> list[Unit]:
    """The rivals of a unit: of a ton the short ton, of a gram none."""
    rivals = RIVALS.values()
    return [r for r in rivals if r.name.partition(" ")[2] == unit.name]


def unit_pattern(rivals: bool = False) -> str:
    """A regular expression for any spelling, the longest first.

    Spellings of three letters and more match in any case; short ones are
    exact, because *m* and *M* differ.

    Args:
        rivals: also read the names of rival units, such as `UK gallon`.
    """
    spellings = SPELLINGS | _RIVAL_SPELLINGS if rivals else SPELLINGS
    ordered = sorted(spellings, key=len, reverse=True)
    long = "|".join(re.escape(s) for s in ordered if len(s) > 2)
    short = "|".join(re.escape(s) for s in ordered if len(s) <= 2)
    # "m" is no unit in "m/s", "m^3", "m**3" or "more".
    # "a": letter case as in ASCII; Unicode takes a long s for an s.
    return rf"(?:(?ai:{long})|{short})(?!\w|\^|\*\*|/\w)"


def lookup(spelling: str) -> Unit:
    """The unit that a spelling stands for.

    Raises:
        UnitError: the spelling is neither one of `SPELLINGS` nor the name
            of a rival unit.
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
    """Both units of one conversion, an ounce read from its other side.

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
    """How many `target` make one `source`, as an exact fraction."""
    here = _in_base_units(source.definition)
    return here / _in_base_units(target.definition)


def factor(source: str, target: str) -> float:
    """How many `target` make one `source`.

    >>> factor("kg", "g")
    1000.0
    """
    return float(exact_factor(*resolve(source, target)))


def convert(quantity: float, source: str, target: str) -> float:
    """`quantity` of `source`, counted in `target`.

    >>> convert(3, "ounces", "pint")
    0.1875

    Raises:
        UnitError: unknown unit, or the two measure different things.
    """
    exact = Fraction(repr(float(quantity)))
    return float(exact * exact_factor(*resolve(source, target)))
