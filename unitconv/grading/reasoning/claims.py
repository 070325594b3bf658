"""Claims: the equations that a text states, and whether they hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Literal

from unitconv.grading.answer import ARITHMETIC_TOLERANCE, AUDIT_TOLERANCE
from unitconv.grading.expression_parser import (
    UNKNOWN,
    Expression,
    Side,
    chains,
)
from unitconv.task.units import (
    Unit,
    UnitError,
    convert,
    exact_factor,
    resolve,
)


@dataclass(frozen=True)
class Claim:
    """An equation that a text states, whether it holds, and its use.

    `arithmetic` is `6 * 1000 = 6000`; a `fact` is `1 kg = 1000 g`. The
    verdict is None where nothing can be checked: an unknown unit, a
    division by zero, a quotient of quantities in different units that is no
    conversion factor, a side that is only part of an expression. `used` is
    True if the answer follows from this claim, among others.
    """

    text: str
    kind: Literal["arithmetic", "fact"]
    verdict: bool | None
    used: bool = False


@dataclass(frozen=True)
class Link:
    """Two sides that a text calls equal, and the claim that they make.

    The claim is None where nothing was worked out, as in `x = 5`; `index`
    is its place among all claims of the text.
    """

    left: Side | None
    right: Side
    claim: Claim | None = None
    index: int = -1

    @property
    def holds(self) -> bool:
        """True unless the claim is false, unread, or an inequality."""
        return self.right.relation == "=" and (
            self.claim is None or self.claim.verdict is True
        )


@dataclass(frozen=True)
class Rate:
    """A rate in a calculation, such as `5280 ft / 1 mi` or `2.54 cm/in`."""

    value: float
    units: tuple[Unit, Unit]
    is_factor: bool  # of a product; others may be any two quantities

    @property
    def holds(self) -> bool:
        """True for a conversion factor between the units."""
        above, below = self.units
        return close(self.value, float(exact_factor(below, above)))


def rates_in(
    expression: Expression, is_factor: bool = False
) -> Iterator[Rate]:
    """Find the rates between units of one family in an expression."""
    for operand in expression.operands:
        yield from rates_in(operand, expression.operator == "*")
    x, y, names = expression.value, 1.0, expression.rate
    if expression.operator == "/":
        top, bottom = expression.operands
        if top.operator == "*":
            top, is_factor = top.operands[1], True
        if top.unit and bottom.unit:
            x, y, names = top.value, bottom.value, (top.unit, bottom.unit)
    units = names and units_of_rate(names)
    if units and x and y:
        yield Rate(x / y, units, is_factor or names == expression.rate)


def units_of_rate(rate: tuple[str, str]) -> tuple[Unit, Unit] | None:
    """Return the units of `g/kg`, if they are known and differ."""
    try:
        above, below = resolve(rate[0], rate[1])
    except UnitError:
        return None
    return None if above == below else (above, below)


def close(a: float, b: float, tolerance: float = AUDIT_TOLERANCE) -> bool:
    """Return True if two numbers agree within a relative tolerance."""
    return math.isclose(a, b, rel_tol=tolerance)


def states(value: float, answer: float) -> bool:
    """Return True if a number is the answer, perhaps to three decimals."""
    return close(value, answer) or round(value, 3) == answer


def read_links(text: str) -> list[list[Link]]:
    """Read the equations of a text, by chains of equal sides.

    `a = b = c` makes two claims; so does `6 kg = 6 * 1000 = 6000 g`, the
    arithmetic and that its ends agree.
    """
    indices = count()
    return [
        part
        for pairs in chains(text)
        for part in _connected(_links(pairs, indices))
    ]


def _connected(links: Iterator[Link]) -> Iterator[list[Link]]:
    """Split `2 * 3 = 6 and 6 * 4 = 24` where no side is shared."""
    part: list[Link] = []
    sides: set[str] = set()
    for link in links:
        if part and link.left and link.left.text not in sides:
            yield part
            part, sides = [], set()
        part.append(link)
        sides |= {side.text for side in (link.left, link.right) if side}
    yield part


def _links(
    pairs: list[tuple[Side | None, Side | None]], indices: Iterator[int]
) -> Iterator[Link]:
    start = None  # the "6 kg" of "6 kg = 6 * 1000 = 6000 g"
    before: Side | None = None
    for left, right in pairs:
        inner = bool(left and before and left.text == before.text)
        before = right
        if left and right:
            yield _link(left, right, indices, inner)
            if left.is_quantity:
                start = None if right.unit else left
            elif start and right.unit:
                yield _link(start, right, indices)
                start = None
            continue
        start = None
        if right:
            yield Link(None, right)


def _link(
    left: Side, right: Side, indices: Iterator[int], inner: bool = False
) -> Link:
    claim = _check(left, right, inner)
    return Link(left, right, claim, next(indices) if claim else -1)


def _check(left: Side, right: Side, inner: bool) -> Claim | None:
    """Check that two sides are equal; None if that states nothing.

    Args:
        left: the text before the sign.
        right: the text after it.
        inner: `left` is a whole side inside a chain, with no words before.
    """
    sign = "\u2260" if right.relation == "\u2260" else "="
    text = f"{left.text} {sign} {right.text}"
    kind: Literal["arithmetic", "fact"] = "arithmetic"
    agrees: bool | None = None
    if left.is_quantity:
        if right.unit is None and not math.isnan(right.value):
            return None  # "6 kg = 6 * 1000" lacks the unit it is in
        kind, agrees = "fact", _same_quantity(left, right)
    elif not (left.has_operator or right.has_operator):
        # "x is 5", "5 = 5": nothing was worked out; but "2 * 3 = 6 = 7"
        if not inner or _equal(left, right):
            return None
        agrees = False
    elif math.isfinite(left.value) and math.isfinite(right.value):
        agrees = _equal(left, right) or bool(_same_quantity(left, right))
    rates = [*rates_in(left.expression), *rates_in(right.expression)]
    false = [rate for rate in rates if not rate.holds]
    # "24 hours / 60 min" is 24, or 0.4 hours per minute.
    if right.relation == "?" or not all(rate.is_factor for rate in false):
        agrees = None
    elif right.relation != "=" and agrees is not None:
        agrees = not agrees
    if agrees and false:
        agrees = False
    return Claim(text, kind, agrees)


def _equal(left: Side, right: Side) -> bool:
    """Compare two numbers: to 0.1 %, or as finely as they are written.

    Of two calculations nobody knows how they are rounded: 1 % has to do.
    """
    if left.value == right.value:  # two infinite ones as well
        return True
    # The rest that binary fractions leave of "0.1 + 0.2 - 0.3" is zero.
    terms = left.expression.largest_term, right.expression.largest_term
    rest = 1e-12 * max(terms)
    error = abs(left.value - right.value)
    if error <= max(rest, ARITHMETIC_TOLERANCE * abs(right.value)):
        return True
    if not close(left.value, right.value):
        return False
    if not right.has_operator:
        return _is_rounded(left.value, right.value)
    return left.has_operator or _is_rounded(right.value, left.value)


def _is_rounded(exact: float, written: float) -> bool:
    """Return True if the last digit is rounded or cut off: 5.63 to 5.6."""
    last = Decimal(repr(written)).normalize().as_tuple().exponent
    unit = 10.0 ** int(last)
    if not unit:  # too small for a float
        return False
    cut_off = abs(written) < abs(exact)
    places = abs(exact - written) / unit
    return places < 1 - 1e-9 if cut_off else places <= 0.5 + 1e-9


def _same_quantity(left: Side, right: Side) -> bool | None:
    """Compare two quantities in one unit; None if that is impossible."""
    if left.unit is None or right.unit is None:
        return None
    if UNKNOWN in (left.unit, right.unit):
        return None
    if not (math.isfinite(left.value) and math.isfinite(right.value)):
        return None
    try:
        converted = convert(left.value, left.unit, right.unit)
    except UnitError:
        return False
    except OverflowError:
        return None
    return close(converted, right.value)
