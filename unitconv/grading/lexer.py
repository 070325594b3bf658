"""Lexer: numbers, units, operators and words of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from unitconv.grading.wording import UNIT

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


def without_separators(number: str) -> str:
    """Write a number as Python does: no separators, an ASCII minus."""
    return re.sub(rf"[,{BLANK}]", "", number).replace("\u2212", "-")


_NAME = (
    r"(?:(?:fluid|cubic|metric|UK)\ )?"
    r"(?!x\b)[A-Za-z]+(?:\^3)?"
)
_TOKEN = re.compile(
    rf"""
      (?P<tag>        <answer>.*?(?:</answer>|$) )
    | (?P<power10>    {POWER} )
    | (?P<number>     (?:{NUMBER})(?:[eE][-+]?\d+)? )
    | (?P<rate>       (?!{UNIT}(?!\ per\ {UNIT}))
                      (?:{UNIT}\ per\ {UNIT} | {_NAME}/{_NAME}) )
    | (?P<unit>       {UNIT} )
    | (?P<equal>      [=\u2260] )
    | (?P<arrow>      \u2192 )
    | (?P<denial>     \u2298 )
    | (?P<operator>   [-+*/] | [xX](?=\s*[\d(.]) )
    | (?P<bracket>    [()] )
    | (?P<word>       [A-Za-z]+ )
    | (?P<space>      (?:[^\S\n]|[{BLANK}])+ )
    | (?P<other>      [\^%}}\]] | (?<=\d),(?=\d) )
    | (?P<stop>       . )
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A piece of text and its kind, a group of `_TOKEN`."""

    kind: str
    text: str
    glued: bool  # no space before it


def sentences(text: str) -> Iterator[list[Token]]:
    """Split a text into runs of tokens that may hold an equation."""
    run: list[Token] = []
    glued = False
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind in ("stop", "tag"):
            yield from _at_arrows(run)
            run = []
        elif kind != "space":
            run.append(Token(kind, match[0], glued))
        glued = kind != "space"
    yield from _at_arrows(run)


def _at_arrows(run: list[Token]) -> Iterator[list[Token]]:
    """Read arrows as equality signs, or as "hence" between equations."""
    kinds = {token.kind for token in run}
    if "arrow" not in kinds or "equal" not in kinds:
        yield [
            Token("equal", "=", token.glued)
            if token.kind == "arrow"
            else token
            for token in run
        ]
        return
    part: list[Token] = []
    for token in run:
        if token.kind == "arrow":
            yield part
            part = []
        else:
            part.append(token)
    yield part
