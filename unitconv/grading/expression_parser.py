"""From a sentence to the equations it states.

`1 kg = 1000 g, so 6 kg = 6 * 1000 = 6000 g` holds two chains of sides; each
side is a number, perhaps worked out, perhaps with a unit. This file reads
them with a small parser of its own (text of a model is never evaluated) and
judges nothing: `unitconv.grading.answer` does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from unitconv.task.units import UnitError, convert, lookup, unit_pattern

# ---------------------------------------------------------------- numbers

BLANK = r"\ \u00a0\u2009\u202f"  # a space, and those that do not break
_GROUPS = (
    rf"[1-9]\d{{0,2}}(?P<separator>[,{BLANK}])\d{{3}}"
    r"(?:(?P=separator)\d{3})*(?!\d)"
)
NUMBER = rf"(?:{_GROUPS}|\d+)(?:\.\d+)?|\.\d+"
POWER = (
    r"10(?:\^|\*\*)(?P<brace>\{)?"
    r"(?P<power>[-+\u2212]?\d+)(?(brace)\})"
)


def plain(number: str) -> str:
    """A number as Python writes it: no separators, an ASCII minus."""
    return re.sub(rf"[,{BLANK}]", "", number).replace("\u2212", "-")


# ----------------------------------------------------------------- tokens

_UNIT = unit_pattern(alternatives=True)
UNKNOWN = "?"  # the unit of "5 apples"
_NO_UNITS = {
    *("and", "but", "for", "if", "of", "or"),
    *("so", "that", "the", "then", "thus", "to"),
}
_TOKEN = re.compile(
    rf"""
      (?P<tag>        <answer>.*?(?:</answer>|$) )
    | (?P<power10>    {POWER} )
    | (?P<number>     (?:{NUMBER})(?:[eE][-+]?\d+)? )
    | (?P<unit>       {_UNIT} )
    | (?P<rate>       [A-Za-z]+/[A-Za-z]+ )
    | (?P<equal>      = | \u2248 | \b(?:is\ equal\ to|is|equals?)\b )
    | (?P<bold>
          (?<![^\s:]) \*\* (?=\S)  |  (?<=[^\s*]) \*\* (?!\s?[\d(]) )
    | (?P<operator>
          [-+*/\u00d7\u00b7\u00f7\u2212] | x(?=\s*[\d(.])
        | \b(?:times|multiplied\ by|divided\ by|plus|minus)\b )
    | (?P<bracket>    [()] )
    | (?P<word>       [A-Za-z]+ )
    | (?P<space>      (?:[^\S\n]|[{BLANK}])+ )
    | (?P<other>      [\^%}}\]] | (?<=\d),(?=\d) )
    | (?P<stop>       . )
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_OPERATORS = {
    "\u00d7": "*",
    "x": "*",
    "\u00b7": "*",
    "\u00f7": "/",
    "\u2212": "-",
    "times": "*",
    "multiplied by": "*",
    "divided by": "/",
    "plus": "+",
    "minus": "-",
}
_LONGEST_SIDE = 40  # tokens; keeps the search below quadratic and shallow


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    glued: bool  # no space before it


@dataclass(frozen=True)
class Side:
    """One side of an equation: its value, and the unit it is counted in."""

    text: str
    value: float
    unit: str | None
    has_operator: bool

    @property
    def is_quantity(self) -> bool:
        """A plain number with a unit, such as `6 kg`."""
        return self.unit is not None and not self.has_operator


# Facts told in words, and the equation they tell.
_TOLD: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), equation)
    for pattern, equation in (
        (
            rf"\b[Tt]here (?:are|is) ([\d.,]*\d) ({_UNIT}) "
            rf"(?:in|per|to) (?:1|one|an?|each|every) ({_UNIT})",
            r"1 \3 = \1 \2",
        ),
        (
            rf"\b(?:[Oo]ne|[Ee]ach|[Ee]very) ({_UNIT}) "
            r"(?:is|has|equals|makes|contains) (?=[\d.])",
            r"1 \1 = ",
        ),
        (
            rf"\b[Tt]he factor from ({_UNIT}) to "
            rf"({_UNIT}) is ([\d.,]*\d)",
            r"1 \1 = \3 \2",
        ),
        (
            r"\b[Mm]ultiply ([\d.,]*\d) by ([\d.,]*\d) to get (?=[\d.])",
            r"\1 * \2 = ",
        ),
    )
)


def chains(text: str) -> Iterator[list[tuple[Side | None, Side | None]]]:
    """The equations of each sentence, as (left, right), in order.

    `a = b = c` gives (a, b) and (b, c). A side that is no expression is
    None; of a side with words around it the part next to the sign counts.
    """
    for pattern, equation in _TOLD:
        text = pattern.sub(equation, text)
    for sentence in _sentences(text):
        equals = [i for i, t in enumerate(sentence) if t.kind == "equal"]
        pairs = []
        for n, at in enumerate(equals):
            start = equals[n - 1] + 1 if n else 0
            end = equals[n + 1] if n + 1 < len(equals) else len(sentence)
            left = _longest_suffix(sentence[start:at], outer=n == 0)
            right = _longest_prefix(
                sentence[at + 1 : end], outer=end == len(sentence)
            )
            pairs.append((left, right))
        if pairs:
            yield pairs


def _sentences(text: str) -> Iterator[list[_Token]]:
    """Runs of tokens that an equation may stand in."""
    run: list[_Token] = []
    glued = False
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind in ("stop", "tag"):
            yield run
            run = []
        elif kind not in ("space", "bold"):
            run.append(_Token(kind, match[0], glued))
        glued = kind not in ("space", "bold")
    yield run


def _longest_suffix(tokens: list[_Token], outer: bool) -> Side | None:
    """The longest end of `tokens` that is an expression, if any is."""
    for i in range(max(0, len(tokens) - _LONGEST_SIDE), len(tokens)):
        if side := _Parser(tokens[i:]).side():
            torn = _is_torn(tokens[:i], tokens[i:], outer)
            return replace(side, value=math.nan) if torn else side
    return None


def _longest_prefix(tokens: list[_Token], outer: bool) -> Side | None:
    """The longest beginning of `tokens` that is an expression."""
    for i in range(min(len(tokens), _LONGEST_SIDE), 0, -1):
        if side := _Parser(tokens[:i]).side():
            torn = _is_torn(tokens[:i], tokens[i:], outer)
            return replace(side, value=math.nan) if torn else side
    return None


def _is_torn(
    before: list[_Token], after: list[_Token], outer: bool
) -> bool:
    """Does an expression run across the seam, one we cannot read whole?

    `5^2 * 3`, `75%`, `y + 5 * 2`, `5 feet 6 inches`: to judge a piece of
    one would call true equations false. With `outer`, no other equation
    stands on the far side, so that "and" can only join what it stands
    between: `1 hour and 30 minutes`.
    """
    if outer and before and before[-1].text == "and":
        before = before[:-1]
    if outer and after and after[0].text == "and":
        after = after[1:]
    if not (before and after):
        return False
    left, right = before[-1], after[0]
    if "other" in (left.kind, right.kind):
        return True
    if left.kind == "word" and right.glued:  # "sqrt(16)", "d2"
        return right.kind in ("number", "bracket")
    if left.kind == "operator":  # unless it is a bullet or a dash
        dash = left.text in "-\u2212" and before[-2:][0].kind == "word"
        return len(before) > 1 and not dash
    if right.kind == "operator":
        return len(after) > 1 and after[1].kind == "number"
    return _is_compound([*before[-2:], *after[:2]])


def _is_compound(tokens: list[_Token]) -> bool:
    """Two quantities that make one, like `5 feet 6 inches`."""
    if [t.kind for t in tokens] != ["number", "unit"] * 2:
        return False
    try:
        return convert(1, tokens[1].text, tokens[3].text) > 1
    except UnitError:
        return False


# --------------------------------------------------------------- parser


class _Parser:
    """Recursive descent over `+ - * / ( )`, numbers and units."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.units: list[str] = []
        self.operators: set[str] = set()

    def side(self) -> Side | None:
        """All the tokens as one expression, or None."""
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
        """A number, or a bracket, with the unit behind it."""
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
            value = float(plain(f"1e{power}"))
        else:
            value = float(plain(token.text))
        self.skip_unit()
        return sign * value

    def skip_unit(self) -> None:
        if self.at == len(self.tokens):
            return
        token = self.tokens[self.at]
        if token.text in _NO_UNITS:
            return
        if token.kind in ("unit", "word"):
            known = token.kind == "unit"
            self.units.append(
                lookup(token.text).symbol if known else UNKNOWN
            )
        if token.kind in ("unit", "word", "rate"):
            self.at += 1

    def take(self, *kinds: str) -> _Token:
        if self.at == len(self.tokens) or (
            self.tokens[self.at].kind not in kinds
        ):
            raise ValueError(f"expected {kinds}")
        self.at += 1
        return self.tokens[self.at - 1]

    def take_minus(self) -> bool:
        """A sign stands right before its number; a list's dash does not."""
        if self.at + 1 >= len(self.tokens):
            return False
        token, number = self.tokens[self.at : self.at + 2]
        found = token.text in "-\u2212" and number.glued
        self.at += found
        return found

    def take_operator(self, wanted: str) -> str | None:
        if self.at == len(self.tokens):
            return None
        text = self.tokens[self.at].text
        operator = _OPERATORS.get(text, text)
        if (
            self.tokens[self.at].kind != "operator"
            or operator not in wanted
        ):
            return None
        self.at += 1
        self.operators.add(operator)
        return operator
