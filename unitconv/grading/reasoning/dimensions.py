"""Dimensions: the units of conversion factors, and of their products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

from unitconv.task.units import (
    ALTERNATIVE_UNITS,
    BY_NAME,
    UNITS,
    Unit,
    exact_factor,
)

#: Units with their powers: g/lb is (("gram", 1), ("pound", -1)).
Powers = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Factor:
    """A conversion factor, and the claims that state it."""

    value: float
    powers: Powers
    claims: frozenset[int] = frozenset()


@lru_cache(maxsize=4096)
def multiply(a: Powers, b: Powers, sign: int = 1) -> Powers:
    """Return the powers of a product, or of a quotient for sign -1."""
    powers = dict(a)
    for unit, power in b:
        powers[unit] = powers.get(unit, 0) + sign * power
    return tuple(sorted((u, p) for u, p in powers.items() if p))


@cache
def _powers(name: str) -> Powers:
    """Return `meter per second` as meter and second to powers."""
    unit = BY_NAME.get(name) or ALTERNATIVE_UNITS[name]
    if name == "milliliter":
        return _powers("cubic centimeter")
    if unit.family == "speed":
        above, _, below = unit.definition.partition(" / ")
        return multiply(((above, 1),), ((below, 1),), -1)
    base, cubed, power = unit.definition.partition(" ** ")
    return ((base, int(power)),) if cubed else ((name, 1),)


@cache
def factors(family: str) -> tuple[Factor, ...]:
    """List the factors between the units of a family, smallest first."""
    units = [unit for unit in UNITS if unit.family == family]
    found = [
        Factor(float(exact_factor(a, b)), ratio(b, a))
        for a in units
        for b in units
        if a != b
    ]
    return tuple(sorted(found, key=value_of))


def value_of(factor: Factor) -> float:
    """Return the number, as a key to sort by."""
    return factor.value


def ratio(a: Unit, b: Unit) -> Powers:
    """Return the powers of `a` per `b`."""
    return multiply(_powers(a.name), _powers(b.name), -1)


@cache
def units_of(unit: Unit, source: str) -> frozenset[Powers]:
    """Return the powers that a number may have if this is its unit.

    `24 hours` is an amount, in hours per unit of the question's `source`,
    or it is 24 hours per day.
    """
    others = [u for u in UNITS if u.family == unit.family and u != unit]
    pairs = [BY_NAME[source], *others]
    return frozenset(ratio(unit, other) for other in pairs)
