"""Derivation: which numbers of a reply follow from the question.

Every number may mean a coefficient times units, by dimensional analysis:
asked for 7.75 lb in grams, the 453.6 of `1 lb = 453.6 g` means 1 g/lb, the
3175.2 of `7 * 453.6 = 3175.2` means 7 g/lb. Products multiply meanings,
sums add those of the same units. The answer is derived if it means 7.75
g/lb: then no part of the quantity is missing, and no number has come from
nowhere.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache, lru_cache

from unitconv.grading.claims import AUDIT_TOLERANCE, Link, close
from unitconv.grading.expression_parser import UNKNOWN, Expression, Side
from unitconv.task.question_parser import Conversion
from unitconv.task.units import (
    ALTERNATIVE_UNITS,
    BY_NAME,
    UNITS,
    Unit,
    UnitError,
    exact_factor,
    lookup,
    resolve,
)

_EXACT = 1e-6  # for coefficients: the parts must add up to the whole
_ROUNDED = 1e-4  # for a conversion factor that the reply does not state
_MOST_MEANINGS = 24

Powers = tuple[tuple[str, int], ...]  # g/lb is (("gram", 1), ("pound", -1))
#: Each (coefficient, powers) that a number may mean, with the claims that
#: say so.
Meanings = dict[tuple[float, Powers], frozenset[int]]
_QUANTITY: Powers = (("the quantity asked", 1),)
_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Factor:
    """A conversion factor, and the claims that state it."""

    value: float
    powers: Powers
    claims: frozenset[int] = _NONE


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
def _family(family: str) -> tuple[Factor, ...]:
    """List the factors between all units of a family, smallest first."""
    units = [unit for unit in UNITS if unit.family == family]
    factors = [
        Factor(float(exact_factor(a, b)), _ratio(b, a))
        for a in units
        for b in units
        if a != b
    ]
    return tuple(sorted(factors, key=_value))


def _value(factor: Factor) -> float:
    return factor.value


def _ratio(a: Unit, b: Unit) -> Powers:
    return multiply(_powers(a.name), _powers(b.name), -1)


@cache
def _allowed(unit: Unit, source: str) -> frozenset[Powers]:
    """Return what a number with this unit may mean."""
    others = [u for u in UNITS if u.family == unit.family and u != unit]
    pairs = [BY_NAME[source], *others]
    return frozenset(_ratio(unit, other) for other in pairs)


class Derivation:
    """The meanings of the numbers of one reply, statement by statement."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self._stated: list[Factor] = []
        self.results: list[tuple[float, Meanings]] = []
        a, b = BY_NAME[conversion.source], BY_NAME[conversion.target]
        self._goal = (1.0, multiply(_ratio(b, a), _QUANTITY))

    def add_fact(self, link: Link) -> None:
        """Add the factors that a true fact states, both ways."""
        if not (link.left and link.claim and link.holds):
            return
        units = self._units(link.left, link.right)
        if units is None:
            return
        a, b = units
        x, y = link.left.value, link.right.value
        claims = frozenset({link.index})
        for value, powers in (
            (_over(y, x), _ratio(b, a)),
            (_over(x, y), _ratio(a, b)),
        ):
            if value:
                self._stated.append(Factor(value, powers, claims))

    def follow(self, chain: list[Link]) -> None:
        """Find the meanings of the numbers that a chain of sides gives."""
        sides: dict[str, Side] = {}
        for link in chain:
            sides |= {s.text: s for s in (link.left, link.right) if s}
        # Meanings pass in both directions, but never back to where they
        # came from: a number must not derive from itself.
        forwards = {
            text: self.meanings(side.expression)
            for text, side in sides.items()
        }
        backwards = {text: dict(found) for text, found in forwards.items()}
        for link in chain:
            if link.left and link.holds:
                self._pass_on(link, link.left, link.right, forwards)
        for link in reversed(chain):
            if link.left and link.holds:
                self._pass_on(link, link.right, link.left, backwards)
        for text, side in sides.items():
            found = forwards[text]
            for meaning, claims in backwards[text].items():
                _put(found, meaning, claims)
            found = {m: claims for m, claims in found.items() if m[1]}
            if found and not side.has_operator:
                self.results.append((side.value, found))

    def _pass_on(
        self,
        link: Link,
        source: Side,
        target: Side,
        found: dict[str, Meanings],
    ) -> None:
        """Let `target` mean what `source`, which is equal to it, means."""
        both = source.has_operator and target.has_operator
        units = self._units(source, target)
        ratio: Powers = ()
        if not close(source.value, target.value, 1e-3 if both else 1e-2):
            if units is None:
                return
            ratio = _ratio(units[1], units[0])
        elif units and source.is_quantity and target.is_quantity:
            ratio = _ratio(units[1], units[0])
        claims = frozenset({link.index} if link.claim else ())
        passed: Meanings = {}
        for (value, powers), old in found[source.text].items():
            meaning = value, multiply(powers, ratio)
            _put(passed, meaning, old | claims)
        passed = self._recognise(passed)
        if not target.has_operator:
            passed = self._in_unit(passed, target.unit)
        for meaning, old in passed.items():
            _put(found[target.text], meaning, old)

    def _units(self, a: Side, b: Side) -> tuple[Unit, Unit] | None:
        """Return the units of two sides, if they are known and differ."""
        if a.unit is None or b.unit is None or UNKNOWN in (a.unit, b.unit):
            return None
        try:
            units = resolve(a.unit, b.unit)
        except UnitError:
            return None
        return None if units[0] == units[1] else units

    def claims_behind(self, answer: float) -> list[frozenset[int]]:
        """List the sets of claims from which the answer follows."""
        return [
            meanings[self._goal]
            for value, meanings in self.results
            if self._goal in meanings and close(value, answer)
        ]

    def is_given(self, value: float) -> bool:
        """Return True for the quantity and for a conversion factor."""
        quantity = self.conversion.quantity
        return close(value, quantity, _EXACT) or bool(self._factors(value))

    def _factors(self, value: float, exact: bool = False) -> list[Factor]:
        """List the factors that a number may be, stated ones first."""
        tolerance = _EXACT if exact else AUDIT_TOLERANCE
        stated = [
            f for f in self._stated if close(value, f.value, tolerance)
        ]
        tolerance = _ROUNDED if exact else AUDIT_TOLERANCE
        known = _family(self.conversion.family)
        start = bisect_left(known, value * (1 - 2 * tolerance), key=_value)
        end = bisect_left(known, value * (1 + 2 * tolerance), key=_value)
        return stated + [
            f for f in known[start:end] if close(value, f.value, tolerance)
        ]

    def meanings(self, expression: Expression) -> Meanings:
        """Find what the value of an expression may mean."""
        if not expression.operands:
            return self._of_number(expression)
        left, right = map(self.meanings, expression.operands)
        found: Meanings = {}
        for (a, p), claims in left.items():
            for (b, q), more in right.items():
                meaning = _combine(expression.operator, a, p, b, q)
                if meaning:
                    _put(found, meaning, claims | more)
        return self._recognise(found)

    def _of_number(self, number: Expression) -> Meanings:
        found: Meanings = {}
        for value, meanings in self.results:
            if close(number.value, value):
                for meaning, claims in meanings.items():
                    _put(found, meaning, claims)
        for factor in self._factors(number.value):
            _put(found, (1.0, factor.powers), factor.claims)
        _put(found, (number.value, ()), _NONE)
        return self._in_unit(self._recognise(found), number.unit)

    def _in_unit(self, meanings: Meanings, symbol: str | None) -> Meanings:
        """Keep the meanings that a number with this unit may have."""
        if symbol is None:
            return meanings
        if symbol == UNKNOWN:
            return {}
        unit = lookup(symbol)
        if unit.name == "ounce" and self.conversion.family == "volume":
            unit = BY_NAME["fluid ounce"]
        allowed = _allowed(unit, self.conversion.source)
        return {
            meaning: claims
            for meaning, claims in meanings.items()
            if multiply(meaning[1], _QUANTITY, -1) in allowed
            or meaning[1] in allowed
            or meaning == (1.0, ())  # the 1 kg of "1000 g / 1 kg"
        }

    def _recognise(self, meanings: Meanings) -> Meanings:
        """Add the whole where parts make up the quantity or a factor."""
        for (n, powers), claims in list(meanings.items()):
            if _QUANTITY[0] not in powers:
                if close(n, self.conversion.quantity, _EXACT):
                    whole = multiply(powers, _QUANTITY)
                    _put(meanings, (1.0, whole), claims)
                continue
            for factor in self._factors(n, exact=True) if n != 1 else ():
                whole = multiply(powers, factor.powers)
                _put(meanings, (1.0, whole), claims | factor.claims)
        return meanings


def _over(a: float, b: float) -> float:
    """Divide; 0 where there is no finite quotient."""
    quotient = a / b if b else 0.0
    return quotient if math.isfinite(quotient) else 0.0


def _put(
    into: Meanings, meaning: tuple[float, Powers], claims: frozenset[int]
) -> None:
    # Of two ways to the same meaning, prefer the one that states facts.
    if len(into) < _MOST_MEANINGS and not into.get(meaning):
        into[meaning] = claims


def _combine(
    operator: str, a: float, p: Powers, b: float, q: Powers
) -> tuple[float, Powers] | None:
    """Combine two meanings; None where that makes no sense."""
    if operator in "+-":
        if p != q:
            return None
        return (a + b if operator == "+" else a - b), p
    if operator == "/" and b == 0:
        return None
    sign = 1 if operator == "*" else -1
    powers = multiply(p, q, sign)
    if any(abs(power) > 3 for _, power in powers):
        return None
    value = a * b if operator == "*" else a / b
    return (value, powers) if math.isfinite(value) else None
