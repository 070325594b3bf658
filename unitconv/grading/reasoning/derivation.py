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

from unitconv.grading.answer import AUDIT_TOLERANCE
from unitconv.grading.expression_parser import UNKNOWN, Expression, Side
from unitconv.grading.reasoning.claims import (
    Link,
    close,
    rates_in,
    states,
    units_of_rate,
)
from unitconv.grading.reasoning.dimensions import (
    Factor,
    Powers,
    factors,
    multiply,
    ratio,
    units_of,
    value_of,
)
from unitconv.task.question_parser import Conversion
from unitconv.task.units import BY_NAME, Unit, lookup

_EXACT = 1e-6  # for coefficients: the parts must add up to the whole
_ROUNDED = 5e-4  # for results and unstated factors: four digits
_MOST_MEANINGS = 24

#: Each (coefficient, powers) that a number may mean, with the claims that
#: say so.
Meanings = dict[tuple[float, Powers], frozenset[int]]
_QUANTITY: Powers = (("the quantity asked", 1),)


class Derivation:
    """The meanings of the numbers of one reply, statement by statement."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self._stated: list[Factor] = []
        self._facts: set[int] = set()
        self.results: list[tuple[float, Meanings]] = []
        a, b = BY_NAME[conversion.source], BY_NAME[conversion.target]
        self._goal = (1.0, multiply(ratio(b, a), _QUANTITY))

    def add_fact(self, link: Link) -> None:
        """Add the factors that a true fact states, both ways.

        Also those that are written within a calculation.
        """
        if not (link.left and link.claim and link.holds):
            return
        for side in (link.left, link.right):
            for rate in rates_in(side.expression):
                if rate.holds:
                    above, below = rate.units
                    self._state(rate.value, above, below, frozenset())
        units = self._units(link.left, link.right)
        if units is None:
            return
        a, b = units
        x, y = link.left.value, link.right.value
        claims = frozenset({link.index})
        self._facts |= claims
        self._state(_over(y, x), b, a, claims)

    def _state(
        self, value: float, above: Unit, below: Unit, claims: frozenset[int]
    ) -> None:
        """Add a factor, both ways."""
        for factor, powers in (
            (value, ratio(above, below)),
            (_over(1, value), ratio(below, above)),
        ):
            if factor:
                self._stated.append(Factor(factor, powers, claims))

    def follow(self, chain: list[Link]) -> None:
        """Find the meanings of the numbers that a chain of sides gives."""
        sides: dict[str, Side] = {}
        claimed: set[str] = set()
        chain = [link for link in chain if link.holds]
        for link in chain:
            sides |= {s.text: s for s in (link.left, link.right) if s}
            claimed |= {link.right.text} if link.claim else set()
        # Meanings pass in both directions, but never back to where they
        # came from: a number must not derive from itself.
        forwards = {
            text: self.meanings(side.expression, result=True)
            for text, side in sides.items()
        }
        backwards = {text: dict(found) for text, found in forwards.items()}
        for link in chain:
            if link.left:
                self._pass_on(link, link.left, link.right, forwards)
        for link in reversed(chain):
            if link.left:
                self._pass_on(link, link.right, link.left, backwards)
        plain = [s.value for s in sides.values() if not s.has_operator]
        for text, side in sides.items():
            found = forwards[text]
            for meaning, claims in backwards[text].items():
                self._put(found, meaning, claims)
            found = {m: claims for m, claims in found.items() if m[1]}
            if side.has_operator:
                # "So 6 kg = 6 * 1000 g." gives its result no other name.
                named = any(close(side.value, value) for value in plain)
                found = {} if named else found
            if found or (text in claimed and not side.has_operator):
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
        per: Powers = ()
        if not close(source.value, target.value, 1e-3 if both else 1e-2):
            if units is None:
                return
            per = ratio(units[1], units[0])
        elif units and source.is_quantity and target.is_quantity:
            per = ratio(units[1], units[0])  # 0 kg = 0 g
        claims = frozenset({link.index} if link.claim else ())
        passed: Meanings = {}
        for (value, powers), old in found[source.text].items():
            meaning = value, multiply(powers, per)
            self._put(passed, meaning, old | claims)
        passed = self._recognize(passed)
        if not target.has_operator:
            passed = self._in_unit(passed, target.unit)
        for meaning, old in passed.items():
            self._put(found[target.text], meaning, old)

    def _units(self, a: Side, b: Side) -> tuple[Unit, Unit] | None:
        """Return the units of two sides, if they are known and differ."""
        if a.unit is None or b.unit is None:
            return None
        return units_of_rate((a.unit, b.unit))

    def claims_behind(self, answer: float) -> frozenset[int] | None:
        """Return the claims from which the answer follows, if it does."""
        for is_answer in (close, states):
            for value, meanings in reversed(self.results):
                if is_answer(value, answer):
                    return meanings.get(self._goal)
        return None

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
        known = factors(self.conversion.family)
        start = bisect_left(
            known, value * (1 - 2 * tolerance), key=value_of
        )
        end = bisect_left(known, value * (1 + 2 * tolerance), key=value_of)
        return stated + [
            f for f in known[start:end] if close(value, f.value, tolerance)
        ]

    def meanings(
        self, expression: Expression, result: bool = False
    ) -> Meanings:
        """Find what the value of an expression may mean.

        A number within a calculation may be an earlier result, rounded; one
        that is stated as a `result` itself must be the very same.
        """
        if not expression.operands:
            return self._of_number(expression, result)
        left, right = map(self.meanings, expression.operands)
        found: Meanings = {}
        for (a, p), claims in left.items():
            for (b, q), more in right.items():
                meaning = _combine(expression.operator, a, p, b, q)
                if meaning:
                    self._put(found, meaning, claims | more)
        return self._recognize(found)

    def _of_number(self, number: Expression, result: bool) -> Meanings:
        found: Meanings = {}
        for tolerance in (_EXACT,) if result else (_EXACT, AUDIT_TOLERANCE):
            for value, meanings in self.results if not found else ():
                if close(number.value, value, tolerance):
                    for meaning, claims in meanings.items():
                        self._put(found, meaning, claims)
        alike = self._factors(number.value, exact=True)
        for factor in alike or self._factors(number.value):
            self._put(found, (1.0, factor.powers), factor.claims)
        self._put(found, (number.value, ()), frozenset())
        found = self._recognize(found)
        if units := number.rate and units_of_rate(number.rate):
            powers = ratio(units[0], units[1])
            return {m: found[m] for m in found if m[1] == powers}
        return self._in_unit(found, number.unit)

    def _in_unit(self, meanings: Meanings, symbol: str | None) -> Meanings:
        """Keep the meanings that a number with this unit may have."""
        if symbol is None:
            return meanings
        if symbol == UNKNOWN:
            return {}
        unit = lookup(symbol)
        if unit.name == "ounce" and self.conversion.family == "volume":
            unit = BY_NAME["fluid ounce"]
        allowed = units_of(unit, self.conversion.source)
        return {
            meaning: claims
            for meaning, claims in meanings.items()
            if multiply(meaning[1], _QUANTITY, -1) in allowed
            or meaning[1] in allowed
            or meaning == (1.0, ())  # the 1 kg of "1000 g / 1 kg"
        }

    def _put(
        self,
        into: Meanings,
        meaning: tuple[float, Powers],
        claims: frozenset[int],
    ) -> None:
        """Add a meaning; of two ways to it, prefer one by stated facts."""
        old = into.get(meaning)
        if old is None:
            if len(into) < _MOST_MEANINGS:
                into[meaning] = claims
        elif old.isdisjoint(self._facts) and not claims.isdisjoint(
            self._facts
        ):
            into[meaning] = claims

    def _recognize(self, meanings: Meanings) -> Meanings:
        """Add the whole quantity, result or factor that parts add up to."""
        for (n, powers), claims in list(meanings.items()):
            if _QUANTITY[0] not in powers:
                if close(n, self.conversion.quantity, _EXACT):
                    whole = multiply(powers, _QUANTITY)
                    self._put(meanings, (1.0, whole), claims)
                for value, results in (
                    self.results if powers and n != 1 else ()
                ):
                    if close(n, value, _ROUNDED):
                        for (m, others), more in results.items():
                            whole = multiply(powers, others)
                            self._put(meanings, (m, whole), claims | more)
                continue
            for factor in self._factors(n, exact=True) if n != 1 else ():
                whole = multiply(powers, factor.powers)
                self._put(meanings, (1.0, whole), claims | factor.claims)
        return meanings


def _over(a: float, b: float) -> float:
    """Divide; 0 where there is no finite quotient."""
    quotient = a / b if b else 0.0
    return quotient if math.isfinite(quotient) else 0.0


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
