"""Dimensions: the units of conversion factors, and of their products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from unitconv.grading.expression_parser import Expression
from unitconv.grading.reasoning.claims import close
from unitconv.task.units import (
    ALTERNATIVE_UNITS,
    BY_NAME,
    UNITS,
    Unit,
    UnitError,
    exact_factor,
    resolve,
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


def units_of_rate(rate: tuple[str, str]) -> tuple[Unit, Unit] | None:
    """Return the units of `g/kg`, if they are known and differ."""
    try:
        above, below = resolve(rate[0], rate[1])
    except UnitError:
        return None
    return None if above == below else (above, below)


def rates_in(expression: Expression) -> Iterator[Factor]:
    """Yield the true rates of a calculation, both ways.

    `55 mi/h * 5280 ft / 1 mi` holds `5280 ft / 1 mi`; the rate of
    `14 in * 2.54 cm/in` is `2.54 cm / 1 in`.
    """
    for operand in expression.operands:
        yield from rates_in(operand)
    x, y, rate = expression.value, 1.0, expression.rate
    if expression.operator == "/":
        top, bottom = expression.operands
        if top.operator == "*":
            top = top.operands[1]
        if top.unit and bottom.unit:
            x, y, rate = top.value, bottom.value, (top.unit, bottom.unit)
    units = rate and units_of_rate(rate)
    if not (units and x and y):
        return
    a, b = units
    if close(x / y, float(exact_factor(b, a))):
        yield Factor(x / y, ratio(a, b))
        yield Factor(y / x, ratio(b, a))


@cache
def units_of(unit: Unit, source: str) -> frozenset[Powers]:
    """Return the powers that a number may have if this is its unit.

    `24 hours` is an amount, in hours per unit of the question's `source`,
    or it is 24 hours per day.
    """
    others = [u for u in UNITS if u.family == unit.family and u != unit]
    pairs = [BY_NAME[source], *others]
    return frozenset(ratio(unit, other) for other in pairs)
