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

from unitconv.grading.lexer import (
    UNIT,
    Token,
    sentences,
    without_separators,
)
from unitconv.task.units import UnitError, convert, lookup

UNKNOWN = "?"  # the unit of "5 apples"
_NO_UNITS = {
    *("and", "but", "for", "if", "of", "or"),
    *("so", "that", "the", "then", "thus", "to"),
}
#: Operators in other spellings, and the sign each one stands for.
OPERATORS = {
    **dict.fromkeys(
        ("\u00d7", "x", "\u00b7", "times", "multiplied by"), "*"
    ),
    **dict.fromkeys(("\u00f7", "divided by"), "/"),
    **{"\u2212": "-", "minus": "-", "plus": "+"},
}
_LONGEST_SIDE = 40  # tokens; keeps the search below quadratic and shallow


@dataclass(frozen=True)
class Side:
    """One side of an equation: its value and its unit."""

    text: str
    value: float
    unit: str | None
    has_operator: bool

    @property
    def is_quantity(self) -> bool:
        """A plain number with a unit, such as `6 kg`."""
        return self.unit is not None and not self.has_operator


# Facts stated in words, and the equation to read in their place.
_IN_WORDS: tuple[tuple[str, str], ...] = (
    (
        rf"\b[Tt]here (?:are|is) ([\d.,]*\d) ({UNIT}) "
        rf"(?:in|per|to) (?:1|one|an?|each|every) ({UNIT})",
        r"1 \3 = \1 \2",
    ),
    (
        rf"\b(?:[Oo]ne|[Ee]ach|[Ee]very) ({UNIT}) "
        r"(?:is|has|equals|makes|contains) (?=[\d.])",
        r"1 \1 = ",
    ),
    (
        rf"\b[Tt]he factor from ({UNIT}) to ({UNIT}) is ([\d.,]*\d)",
        r"1 \1 = \3 \2",
    ),
    (
        r"\b[Mm]ultiply ([\d.,]*\d) by ([\d.,]*\d) to get (?=[\d.])",
        r"\1 * \2 = ",
    ),
)


def chains(text: str) -> Iterator[list[tuple[Side | None, Side | None]]]:
    """Yield the equations of each sentence, as (left, right), in order.

    `a = b = c` gives (a, b) and (b, c). A side that is no expression is
    None; of a side with words around it the part next to the sign counts.
    """
    for pattern, equation in _IN_WORDS:
        text = re.sub(pattern, equation, text)
    for sentence in sentences(text):
        sides: list[list[Token]] = [[]]
        for token in sentence:
            if token.kind == "equal":
                sides.append([])
            else:
                sides[-1].append(token)
        last = len(sides) - 2
        pairs = [
            (
                _longest_side(left, at_end=True, outer=n == 0),
                _longest_side(right, at_end=False, outer=n == last),
            )
            for n, (left, right) in enumerate(pairwise(sides))
        ]
        if pairs:
            yield pairs


def _longest_side(
    tokens: list[Token], at_end: bool, outer: bool
) -> Side | None:
    """Parse the longest expression at one end of `tokens`."""
    for length in range(min(len(tokens), _LONGEST_SIDE), 0, -1):
        cut = len(tokens) - length if at_end else length
        before, after = tokens[:cut], tokens[cut:]
        if side := _Parser(after if at_end else before).side():
            if _cuts_expression(before, after, outer):
                return replace(side, value=math.nan)
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
    match left.kind, right.kind:
        case ("other", _) | (_, "other"):  # 5^2 * 3, 75%
            return True
        case "word", kind if right.glued:  # sqrt(16), d2
            return kind in ("number", "bracket")
        case "operator", _:  # y + 5 * 2, but no bullet and no dash
            dash = left.text in "-\u2212" and before[-2:][0].kind == "word"
            return len(before) > 1 and not dash
        case _, "operator":  # 20 = 5 * 2 + y
            return len(after) > 1 and after[1].kind == "number"
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
        self.operators: set[str] = set()

    def side(self) -> Side | None:
        """Parse all the tokens as one expression, or return None."""
        try:
            value = self.sum()
        except (ValueError, OverflowError):
            return None
        if self.at < len(self.tokens):
            return None
        known = set(self.units)
        if len(known) > 1 and self.operators & {"+", "-"}:
            value = math.nan  # "6 kg + 200 g": not one unit, no one value
        unit = self.units[0] if len(known) == 1 else None
        text = " ".join(token.text for token in self.tokens)
        return Side(text, value, unit, bool(self.operators))

    def sum(self) -> float:
        value = self.product()
        while operator := self.take_operator("+-"):
            term = self.product()
            value = value + term if operator == "+" else value - term
        return value

    def product(self) -> float:
        value = self.quantity()
        while operator := self.take_operator("*/"):
            factor = self.quantity()
            if operator == "*":
                value *= factor
            else:
                value = value / factor if factor else math.nan
        return value

    def quantity(self) -> float:
        """Parse a number or a bracket, and the unit behind it."""
        sign = -1.0 if self.take_minus() else 1.0
        token = self.take("number", "power10", "bracket")
        if token.text == "(":
            value = self.sum()
            if self.take("bracket").text != ")":
                raise ValueError("unbalanced bracket")
        elif token.text == ")":
            raise ValueError("unbalanced bracket")
        elif token.kind == "power10":
            power = re.sub(r"^10(\^|\*\*)|[{}]", "", token.text)
            value = float(without_separators(f"1e{power}"))
        else:
            value = float(without_separators(token.text))
        self.skip_unit()
        return sign * value

    def skip_unit(self) -> None:
        if self.at == len(self.tokens):
            return
        token = self.tokens[self.at]
        if token.text in _NO_UNITS:
            return
        if token.kind == "unit":
            self.units.append(lookup(token.text).symbol)
        elif token.kind == "word":
            self.units.append(UNKNOWN)
        if token.kind in ("unit", "word", "rate"):
            self.at += 1

    def take(self, *kinds: str) -> Token:
        if self.at == len(self.tokens) or (
            self.tokens[self.at].kind not in kinds
        ):
            raise ValueError(f"expected {kinds}")
        self.at += 1
        return self.tokens[self.at - 1]

    def take_minus(self) -> bool:
        """Take a sign: right before its number, unlike a list's dash."""
        if self.at + 1 >= len(self.tokens):
            return False
        token, number = self.tokens[self.at : self.at + 2]
        is_sign = token.text in "-\u2212" and number.glued
        self.at += is_sign
        return is_sign

    def take_operator(self, allowed: str) -> str | None:
        if self.at == len(self.tokens):
            return None
        token = self.tokens[self.at]
        operator = OPERATORS.get(token.text, token.text)
        if token.kind != "operator" or operator not in allowed:
            return None
        self.at += 1
        self.operators.add(operator)
        return operator
