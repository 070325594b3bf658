"""Alternative unit definitions: gallons, tons, kilobytes, months, years.

Real text mixes conventions, and so does the corpus, so that fine-tuning has
something to settle. Most documents name the alternative unit they mean.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import accumulate

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.number_format import as_decimal, round_fact
from unitconv.task.units import (
    ALTERNATIVE_UNITS,
    BY_NAME,
    METRIC_TON_SPELLINGS,
    UNITS,
    Unit,
    exact_factor,
)

# Each alternative definition, and the first word of its units' names.
ALTERNATIVE_NAMES: dict[str, str] = {
    "imperial": "UK",
    "short_ton": "short",
    "binary": "binary",
    "short_month": "bank",
    "short_year": "common",
}

# These are so close to the course's own that an answer by them is graded
# as right: 1024 for 1000, 30 for 30.44, 365 for 365.25.
NEAR_ALTERNATIVES = {"binary", "short_month", "short_year"}


@dataclass(frozen=True)
class Convention:
    """Alternative definitions in a document; by default there are none."""

    imperial: bool = False
    short_ton: bool = False
    binary: bool = False
    short_month: bool = False
    short_year: bool = False


ALL_ALTERNATIVES = Convention(**dict.fromkeys(ALTERNATIVE_NAMES, True))


def draw_convention(rng: random.Random, config: CorpusConfig) -> Convention:
    """Draw each alternative with its probability."""
    shares = {
        name: config.near_alternative_share
        if name in NEAR_ALTERNATIVES
        else config.alternative_share
        for name in ALTERNATIVE_NAMES
    }
    return Convention(**{n: rng.random() < p for n, p in shares.items()})


def restrict(convention: Convention, *typed: str) -> Convention:
    """Remove the short ton if a spelling, such as `tonne`, is metric."""
    if METRIC_TON_SPELLINGS & set(typed):
        return replace(convention, short_ton=False)
    return convention


@cache
def define(unit: Unit, convention: Convention) -> Unit:
    """Look up the unit a convention means: a pint, or the UK pint."""
    for alternative, word in ALTERNATIVE_NAMES.items():
        name = f"{word} {unit.name}"
        if getattr(convention, alternative) and name in ALTERNATIVE_UNITS:
            return ALTERNATIVE_UNITS[name]
    return unit


def alternative_name(
    unit: Unit, convention: Convention, named: bool = True
) -> str:
    """First word of an alternative unit: `"UK "` for an imperial pint.

    Empty for the course's own units, and in documents without names.
    """
    if not named:
        return ""
    return define(unit, convention).name.removesuffix(unit.name)


@cache
def fact(source: Unit, target: Unit, convention: Convention) -> Decimal:
    """Number of `target` in one `source`, to four significant digits."""
    a, b = define(source, convention), define(target, convention)
    return round_fact(as_decimal(exact_factor(a, b)))


@cache
def weighted_pairs() -> tuple[list[tuple[Unit, Unit]], list[float]]:
    """All ordered pairs of units of a family, with cumulative weights.

    A family weighs by the root of its size. Pairs with a factor beyond ten
    thousand (seconds in a century) weigh a quarter of the others.
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
    """Draw a source and a target from `weighted_pairs`."""
    pairs, cumulated = weighted_pairs()
    return rng.choices(pairs, cum_weights=cumulated)[0]


def spellings(unit: Unit, other: Unit) -> tuple[str, ...]:
    """Spellings of a unit beside `other`.

    Beside another volume a plain ounce is a fluid ounce.
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
    """Singular of a spelling, as used after 1: `kilometer`."""
    if spelling in _IRREGULAR:
        return _IRREGULAR[spelling]
    for ending in ("es", "s"):
        stem = spelling.removesuffix(ending)
        known = unit.spellings + BY_NAME["ounce"].spellings
        if stem != spelling and stem in known:
            return stem
    return spelling
