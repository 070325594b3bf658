"""From text to a grade: what was answered, is it right, and for the right
reasons?

Three questions, three functions. `parse_answer` reads the tag the model was
told to use and looks nowhere else: a parser that hunts for a number grades
itself, not the model. `is_correct` compares with the truth.
`audit_reasoning` checks every equation the text states, because an answer
inside the tolerance may come from wrong arithmetic.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from unitconv.units import UnitError, convert, lookup, unit_pattern

# ------------------------------------------------------------ the answer

_BLANK = r"\ \u00a0\u2009\u202f"  # a space, and those that do not break
_GROUPS = (
    rf"[1-9]\d{{0,2}}(?P<separator>[,{_BLANK}])\d{{3}}"
    r"(?:(?P=separator)\d{3})*(?!\d)"
)
_NUMBER = rf"(?:{_GROUPS}|\d+)(?:\.\d+)?|\.\d+"
_POWER = (
    r"10(?:\^|\*\*)(?P<brace>\{)?"
    r"(?P<power>[-+\u2212]?\d+)(?(brace)\})"
)
_ANSWER = re.compile(
    rf"""
    [\s{_BLANK}]* (?:{unit_pattern()}[\s{_BLANK}]+)?
    (?P<sign>[-+\u2212]?)
    (?P<number>{_NUMBER}) \.?
    (?:
        [eE](?P<exponent>[-+\u2212]?\d+)
      | [\s{_BLANK}]* [*x\u00d7\u00b7] [\s{_BLANK}]* {_POWER}
    )?
    [\s{_BLANK}]* (?:{unit_pattern()}[\s{_BLANK}]*)?
    """,
    re.VERBOSE | re.ASCII,
)
_OPEN, _CLOSE = "<answer>", "</answer>"


def parse_answer(text: str) -> float:
    """The number in the first complete `<answer>...</answer>`, or NaN.

    Reads integers, decimals, signs, thousands separators (a comma or a
    space, in groups of three), `1.5e3`, `9.461 * 10^15`, with spaces and a
    unit of `unitconv.units` around them. Anything else in the tag is no
    number, and what stands outside the tag is not looked at. Never raises.

    >>> parse_answer("6 * 1000 = 6000. <answer>6,000 g</answer>")
    6000.0
    >>> parse_answer("It is 6000.")
    nan
    """
    _, opened, rest = text.partition(_OPEN)
    inside, closed, _ = rest.partition(_CLOSE)
    if not (opened and closed):
        return math.nan
    match = _ANSWER.fullmatch(inside)
    if match is None:
        return math.nan
    return _to_float(match)


def _to_float(match: re.Match[str]) -> float:
    exponent = match["exponent"] or match["power"] or "0"
    value = float(_plain(f"{match['sign']}{match['number']}e{exponent}"))
    return value if math.isfinite(value) else math.nan


def _plain(number: str) -> str:
    """A number as Python writes it: no separators, an ASCII minus."""
    return re.sub(rf"[,{_BLANK}]", "", number).replace("\u2212", "-")


# ------------------------------------------------------------- the grade

TOLERANCE = 0.05


def is_correct(answer: float, truth: float) -> bool:
    """Is the answer within 5 % of the truth, both rounded to 3 decimals?

    A truth that rounds to zero leaves no room: the answer must round to
    zero too. NaN, which stands for no answer, is never correct.
    """
    if not (math.isfinite(answer) and math.isfinite(truth)):
        return False
    got, wanted = round(answer, 3), round(truth, 3)
    if wanted == 0:
        return got == 0
    return abs(got - wanted) < TOLERANCE * abs(wanted)


# ------------------------------------------------------------- the audit

AUDIT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Claim:
    """One equation a text states, and whether it holds.

    `arithmetic` is `6 * 1000 = 6000`; a `fact` is `1 kg = 1000 g`. The
    verdict is None where nothing can be checked: an unknown unit, a
    division by zero, a side that is only part of what was written.
    """

    text: str
    kind: Literal["arithmetic", "fact"]
    verdict: bool | None


def audit_reasoning(text: str) -> list[Claim]:
    """Every equation stated in `text`, in order, each checked.

    An equation is two sides around `=` (or "is", "equals"): products,
    quotients, sums and differences of numbers, with or without units, and
    statements such as `1 kg = 1000 g`. Both sides must agree within 1 %;
    facts are checked by pint. `a = b = c` makes two claims. The inside of
    an answer tag is no reasoning. Never raises.

    >>> [c.verdict for c in audit_reasoning("1 kg = 100 g. 6 * 100 = 600")]
    [False, True]
    """
    claims = []
    for sentence in _sentences(text):
        equals = [i for i, t in enumerate(sentence) if t.kind == "equal"]
        for n, at in enumerate(equals):
            start = equals[n - 1] + 1 if n else 0
            end = equals[n + 1] if n + 1 < len(equals) else len(sentence)
            left = _longest_suffix(sentence[start:at], outer=n == 0)
            right = _longest_prefix(
                sentence[at + 1 : end], outer=end == len(sentence)
            )
            if left and right and (claim := _judge(left, right)):
                claims.append(claim)
    return claims


def reasoning_is_valid(text: str) -> bool:
    """Does the text state something checkable, and nothing false?"""
    verdicts = [claim.verdict for claim in audit_reasoning(text)]
    return True in verdicts and False not in verdicts


def _judge(left: _Side, right: _Side) -> Claim | None:
    """The claim that two sides are equal; None if it says nothing."""
    text = f"{left.text} = {right.text}"
    if left.is_quantity and (right.is_quantity or right.unit):
        return Claim(text, "fact", _same_quantity(left, right))
    if left.is_quantity:  # "6 kg = 6 * 1000" lacks the unit it is in
        return None
    if not (left.has_operator or right.has_operator):
        return None  # "x is 5", "5 = 5": nothing was worked out
    if not (math.isfinite(left.value) and math.isfinite(right.value)):
        return Claim(text, "arithmetic", None)
    agrees = _close(left.value, right.value)
    return Claim(
        text, "arithmetic", agrees or bool(_same_quantity(left, right))
    )


def _same_quantity(left: _Side, right: _Side) -> bool | None:
    if left.unit is None or right.unit is None:
        return None
    if _UNKNOWN in (left.unit, right.unit):
        return None
    if not (math.isfinite(left.value) and math.isfinite(right.value)):
        return None
    try:
        return _close(
            convert(left.value, left.unit, right.unit), right.value
        )
    except UnitError:
        return False
    except OverflowError:
        return None


def _close(a: float, b: float) -> bool:
    # What binary fractions leave of "0.1 + 0.2 - 0.3" counts as nothing.
    return math.isclose(a, b, rel_tol=AUDIT_TOLERANCE, abs_tol=1e-13)


# ----------------------------------- reading an equation: words to values

_UNKNOWN = "?"  # the unit of "5 apples"
_NO_UNITS = {
    *("and", "but", "for", "if", "of", "or"),
    *("so", "that", "the", "then", "thus", "to"),
}
_TOKEN = re.compile(
    rf"""
      (?P<tag>        <answer>.*?(?:</answer>|$) )
    | (?P<power10>    {_POWER} )
    | (?P<number>     (?:{_NUMBER})(?:[eE][-+]?\d+)? )
    | (?P<unit>       {unit_pattern()} )
    | (?P<rate>       [A-Za-z]+/[A-Za-z]+ )
    | (?P<equal>      = | \u2248 | \b(?:is\ equal\ to|is|equals?)\b )
    | (?P<bold>
          (?<![^\s:]) \*\* (?=\S)  |  (?<=[^\s*]) \*\* (?!\s?[\d(]) )
    | (?P<operator>
          [-+*/\u00d7\u00b7\u00f7\u2212] | x(?=\s*[\d(.])
        | \b(?:times|multiplied\ by|divided\ by|plus|minus)\b )
    | (?P<bracket>    [()] )
    | (?P<word>       [A-Za-z]+ )
    | (?P<space>      (?:[^\S\n]|[{_BLANK}])+ )
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
class _Side:
    """One side of an equation: its value, and the unit it is counted in."""

    text: str
    value: float
    unit: str | None
    has_operator: bool

    @property
    def is_quantity(self) -> bool:
        return self.unit is not None and not self.has_operator


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


def _longest_suffix(tokens: list[_Token], outer: bool) -> _Side | None:
    """The longest end of `tokens` that is an expression, if any is."""
    for i in range(max(0, len(tokens) - _LONGEST_SIDE), len(tokens)):
        if side := _Parser(tokens[i:]).side():
            torn = _is_torn(tokens[:i], tokens[i:], outer)
            return replace(side, value=math.nan) if torn else side
    return None


def _longest_prefix(tokens: list[_Token], outer: bool) -> _Side | None:
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


class _Parser:
    """Recursive descent over `+ - * / ( )`, numbers and units."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.units: list[str] = []
        self.operators: set[str] = set()

    def side(self) -> _Side | None:
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
        return _Side(text, value, unit, bool(self.operators))

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
            value = float(_plain(f"1e{power}"))
        else:
            value = float(_plain(token.text))
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
                lookup(token.text).symbol if known else _UNKNOWN
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
