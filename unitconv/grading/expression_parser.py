"""Expression parser: the equations that a text states.

`1 kg = 1000 g, so 6 kg = 6 * 1000 = 6000 g` holds two chains of sides, each
an expression, perhaps with a unit. A model's text must never be evaluated
as code, so a small parser reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

from unitconv.grading.lexer import Token, sentences, without_separators
from unitconv.grading.wording import to_equations
from unitconv.task.units import UnitError, convert, lookup

UNKNOWN = "?"  # the unit of "5 apples"
# Words after a number that are no unit of it.
_NO_UNITS = re.compile(
    r"(?i:a|after|again|also|altogether|an|and|approximately|as|at|"
    r"because|both|but|by|each|exactly|for|from|giving|hence|here|"
    r"i|if|in|it|making|now|of|on|only|or|overall|per|respectively|"
    r"rounded|since|so|such|that|the|then|there|therefore|these|"
    r"they|this|those|thus|to|together|too|total|unit|units|we|"
    r"when|where|which|while|with|you)"
)
OPERATORS = {"x": "*", "X": "*"}  # all others are their own
_LONGEST_SIDE = 40  # tokens; keeps the search below quadratic and shallow


@dataclass(frozen=True)
class Expression:
    """A number, perhaps with a unit, or an operation on two of them."""

    value: float
    unit: str | None = None
    operator: str = ""  # one of "+-*/", or none
    operands: tuple[Expression, ...] = ()
    rate: tuple[str, str] | None = None  # ("g", "kg") of "1000 g/kg"

    @property
    def largest_term(self) -> float:
        """The largest number that is added or subtracted; 0 if none is."""
        terms = [operand.largest_term for operand in self.operands]
        if self.operator in ("+", "-"):
            terms += [abs(operand.value) for operand in self.operands]
        return max(terms, default=0.0)


@dataclass(frozen=True)
class Side:
    """One side of an equation: its value and its unit."""

    text: str
    expression: Expression
    unit: str | None
    has_operator: bool
    #: How the side before it relates to it: by "=", by "≠", or by an
    #: equality that the sentence denies, "?".
    relation: str = "="

    @property
    def value(self) -> float:
        """The number that the expression gives; NaN if it is cut short."""
        return self.expression.value

    @property
    def is_quantity(self) -> bool:
        """A plain number with a unit, such as `6 kg`."""
        return self.unit is not None and not self.has_operator


def chains(text: str) -> Iterator[list[tuple[Side | None, Side | None]]]:
    """Yield the equations of each sentence, as (left, right), in order.

    `a = b = c` gives (a, b) and (b, c). A side that is no expression is
    None; of a side with words around it the part next to the sign counts.
    """
    if not text.strip():
        return
    for sentence in sentences(to_equations(text)):
        sides: list[list[Token]] = [[]]
        relations: list[str] = []
        denied = any(token.kind == "denial" for token in sentence)
        for token in sentence:
            if token.kind == "equal":
                sides.append([])
                relations.append("?" if denied else token.text)
            elif token.kind != "denial":
                sides[-1].append(token)
        if relations:
            yield _pairs(sides, relations)


def _pairs(
    sides: list[list[Token]], relations: list[str]
) -> list[tuple[Side | None, Side | None]]:
    last = len(relations) - 1
    pairs = []
    for n, (left, right) in enumerate(pairwise(sides)):
        a = _longest_side(left, at_end=True, outer=n == 0)
        b = _longest_side(right, at_end=False, outer=n == last)
        pairs.append((a, b and replace(b, relation=relations[n])))
    return pairs


def _longest_side(
    tokens: list[Token], at_end: bool, outer: bool
) -> Side | None:
    """Parse the longest expression at one end of `tokens`."""
    for length in range(min(len(tokens), _LONGEST_SIDE), 0, -1):
        cut = len(tokens) - length if at_end else length
        before, after = tokens[:cut], tokens[cut:]
        if side := _Parser(after if at_end else before).side():
            if _cuts_expression(before, after, outer):
                return replace(side, expression=Expression(math.nan))
            return side
    return None


def _cuts_expression(
    before: list[Token], after: list[Token], outer: bool
) -> bool:
    """Return True if an expression continues across this boundary.

    To check a piece of one would call true equations false. At the outer
    end of a chain, "and" can only join quantities: `1 hour and 30 minutes`.
    """
    if outer and before and before[-1].text == "and":
        before = before[:-1]
    if outer and after and after[0].text == "and":
        after = after[1:]
    if not (before and after):
        return False
    left, right = before[-1], after[0]
    if right.text == "or" and after[1:] and after[1].kind == "number":
        return True  # 6000 or 7000
    match left.kind, right.kind:
        case ("other", _) | (_, "other"):  # 5^2 * 3, 75%
            return True
        case "word", kind if right.glued:  # sqrt(16), d2
            return kind in ("number", "bracket")
        case "operator", _:  # y + 5 * 2, but no bullet and no dash
            dash = left.text == "-" and before[-2:][0].kind == "word"
            return len(before) > 1 and not dash
        case _, "operator":  # 20 = 5 * 2 + y
            return len(after) > 1 and (
                after[1].kind == "number"
                or (right.text in "*/" and after[1].kind == "word")
            )
        case "unit", "number":  # 5 feet 6 inches
            tokens = [*before[-2:], *after[:2]]
            if [t.kind for t in tokens] == ["number", "unit"] * 2:
                with suppress(UnitError):
                    return convert(1, left.text, tokens[3].text) > 1
    return False


class _Parser:
    """Recursive descent over `+ - * / ( )`, numbers and units."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.units: list[str] = []
        self.has_rate = False
        self.operators: set[str] = set()

    def side(self) -> Side | None:
        """Parse all the tokens as one expression, or return None."""
        try:
            expression = self.sum()
        except (ValueError, OverflowError):
            return None
        if self.at < len(self.tokens):
            return None
        known = set(self.units)
        if len(known) > 1 and self.operators & {"+", "-"}:
            # "6 kg + 200 g": not one unit, no one value
            expression = replace(expression, value=math.nan)
        unit = None
        if len(known) == 1 and not self.has_rate:
            unit = self.units[0]
        text = " ".join(token.text for token in self.tokens)
        return Side(text, expression, unit, bool(self.operators))

    def sum(self) -> Expression:
        left = self.product()
        while operator := self.take_operator("+-"):
            right = self.product()
            sign = 1 if operator == "+" else -1
            value = left.value + sign * right.value
            left = Expression(value, None, operator, (left, right))
        return left

    def product(self) -> Expression:
        left = self.quantity()
        while operator := self.take_operator("*/") or self.next_factor():
            right = self.quantity()
            a, b = left.value, right.value
            quotient = a / b if b else math.nan
            value = a * b if operator == "*" else quotient
            left = Expression(value, None, operator, (left, right))
        return left

    def quantity(self) -> Expression:
        """Parse a number or a bracket, and the unit behind it."""
        minus = self.take_minus()
        token = self.take("number", "power10", "bracket")
        if token.text == "(":
            inside = self.sum()
            if self.take("bracket").text != ")":
                raise ValueError("unbalanced bracket")
            if not self.take_rate():
                self.take_unit()
            if not minus:
                return inside
            terms = (Expression(0.0), inside)
            return Expression(-inside.value, None, "-", terms)
        if token.text == ")":
            raise ValueError("unbalanced bracket")
        text = token.text
        if token.kind == "power10":
            text = "1e" + re.sub(r"^10(\^|\*\*)|[{}]", "", text)
        value = float(without_separators(text))
        rate = self.take_rate()
        unit = None if rate else self.take_unit()
        return Expression(-value if minus else value, unit, rate=rate)

    def take_rate(self) -> tuple[str, str] | None:
        """Take the units of a rate, such as `g/kg` or `g per kg`."""
        if self.next_kind() != "rate":
            return None
        text = self.take("rate").text
        above, _, below = text.partition(
            " per " if " per " in text else "/"
        )
        self.has_rate = True
        return above, below

    def take_unit(self) -> str | None:
        """Take a unit, or a word for one."""
        kind = self.next_kind()
        if kind not in ("unit", "word"):
            return None
        text = self.tokens[self.at].text
        if kind == "word" and _NO_UNITS.fullmatch(text):
            return None
        self.at += 1
        unit = lookup(text).symbol if kind == "unit" else UNKNOWN
        self.units.append(unit)
        return unit

    def next_kind(self) -> str:
        at_end = self.at == len(self.tokens)
        return "" if at_end else self.tokens[self.at].kind

    def take(self, *kinds: str) -> Token:
        if self.next_kind() not in kinds:
            raise ValueError(f"expected {kinds}")
        self.at += 1
        return self.tokens[self.at - 1]

    def take_minus(self) -> bool:
        """Take a sign: right before its number, unlike a list's dash."""
        if self.at + 1 >= len(self.tokens):
            return False
        token, number = self.tokens[self.at : self.at + 2]
        is_sign = token.text == "-" and number.glued
        self.at += is_sign
        return is_sign

    def take_operator(self, allowed: str) -> str | None:
        if self.next_kind() != "operator":
            return None
        text = self.tokens[self.at].text
        operator = OPERATORS.get(text, text)
        if operator not in allowed:
            return None
        self.at += 1
        self.operators.add(operator)
        return operator

    def next_factor(self) -> str | None:
        """See a product without a sign: `(6)(1000)` or `6(1000)`."""
        if not 0 < self.at < len(self.tokens):
            return None
        token = self.tokens[self.at]
        if token.text != "(" or not (
            token.glued or self.tokens[self.at - 1].text == ")"
        ):
            return None
        self.operators.add("*")
        return "*"
