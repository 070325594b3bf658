"""Which gallon, which ton, which kilobyte: one convention a document.

Real text mixes conventions, and a model that reads it learns all of them.
The course's questions mean one (see `unitconv.task.units`); the corpus also
holds its rivals, so that fine-tuning has something to settle. Most
documents say which unit they mean, as careful people do: "1 UK gallon =
4.546 l" is true, and still no answer to a question about US gallons.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cache
from itertools import accumulate

from unitconv.pretraining.corpus.number_format import as_decimal, round_fact
from unitconv.task.units import (
    ALTERNATIVE_UNITS,
    BY_NAME,
    METRIC_TON_SPELLINGS,
    UNITS,
    Unit,
    exact_factor,
)

# Each rival convention, and the first word of its units' names.
RIVAL_NAMES: dict[str, str] = {
    "imperial": "UK",
    "short_ton": "short",
    "binary": "binary",
    "short_month": "bank",
    "short_year": "common",
}


# These are so near to the course's own that an answer to what it asks is
# right all the same: 1024 for 1000, 30 for 30.44, 365 for 365.25.
NEAR = {"binary", "short_month", "short_year"}


@dataclass(frozen=True)
class Convention:
    """The rivals that hold in one document; none is the course's own."""

    imperial: bool = False
    short_ton: bool = False
    binary: bool = False
    short_month: bool = False
    short_year: bool = False


def draw_convention(
    rng: random.Random, rival_share: float, near_rival_share: float
) -> Convention:
    """Each rival holds with its probability, those in `NEAR` with the
    second."""
    shares = {
        field.name: near_rival_share if field.name in NEAR else rival_share
        for field in fields(Convention)
    }
    return Convention(**{n: rng.random() < p for n, p in shares.items()})


def settle(convention: Convention, *typed: str) -> Convention:
    """The convention, once the units are typed: a tonne is no short ton."""
    if METRIC_TON_SPELLINGS & set(typed):
        return replace(convention, short_ton=False)
    return convention


@cache
def define(unit: Unit, convention: Convention) -> Unit:
    """The unit as this convention means it: a pint, or the UK pint."""
    for rival, word in RIVAL_NAMES.items():
        name = f"{word} {unit.name}"
        if getattr(convention, rival) and name in ALTERNATIVE_UNITS:
            return ALTERNATIVE_UNITS[name]
    return unit


def rival_name(unit: Unit, convention: Convention) -> str:
    """`"UK "` for a pint where imperial volumes hold, mostly `""`."""
    meant = define(unit, convention)
    return meant.name.removesuffix(unit.name)


@cache
def fact(source: Unit, target: Unit, convention: Convention) -> Decimal:
    """How many `target` make one `source`, with four digits."""
    a, b = define(source, convention), define(target, convention)
    return round_fact(as_decimal(exact_factor(a, b)))


@cache
def conversions() -> tuple[list[tuple[Unit, Unit]], list[float]]:
    """Every ordered pair of a family, and its weight, cumulated.

    Families weigh by the root of their size, and pairs that lie more than
    ten thousand apart (seconds in a century) a quarter of the others.
    """
    pairs = [
        (a, b)
        for a in UNITS
        for b in UNITS
        if a.family == b.family and a.name != b.name
    ]
    families = [a.family for a, _ in pairs]
    weights = []
    for a, b in pairs:
        near = 0.9e-4 < exact_factor(a, b) < 1.1e4
        size = families.count(a.family)
        weights.append((1.0 if near else 0.25) / size**0.5)
    return pairs, list(accumulate(weights))


def draw_pair(rng: random.Random) -> tuple[Unit, Unit]:
    """A source and a target of one family, by `conversions`."""
    pairs, cumulated = conversions()
    return rng.choices(pairs, cum_weights=cumulated)[0]


def spellings(unit: Unit, other: Unit) -> tuple[str, ...]:
    """How a unit may be typed next to `other`.

    Next to another volume a plain ounce is a fluid ounce.
    """
    if unit.name == "fluid ounce" and other.family == "volume":
        return unit.spellings + BY_NAME["ounce"].spellings
    return unit.spellings


_IRREGULAR = {
    "feet": "foot",
    "feet per second": "foot per second",
    "inches per second": "inch per second",
    "meters per second": "meter per second",
    "miles per hour": "mile per hour",
    "kilometers per hour": "kilometer per hour",
    "kilometres per hour": "kilometre per hour",
    "centuries": "century",
}


def singular(spelling: str, unit: Unit) -> str:
    """What follows a 1: `kilometers` becomes `kilometer`."""
    if spelling in _IRREGULAR:
        return _IRREGULAR[spelling]
    for ending in ("es", "s"):
        stem = spelling.removesuffix(ending)
        known = unit.spellings + BY_NAME["ounce"].spellings
        if stem != spelling and stem in known:
            return stem
    return spelling
