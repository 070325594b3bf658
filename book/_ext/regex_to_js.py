r"""Regular expressions: from Python's notation to JavaScript's.

The grader in the page matches what the library matches, so its patterns are
those of the library. Python's parser reads a pattern, flags included, and
this module writes it out in a form that needs the flag "u" alone:

- letters that match in any case become sets: `k` is `[Kk\u{212a}]`;
- anchors and the dot are spelt out;
- `\w`, `\d`, `\s` and `\b` mean Python's characters, not JavaScript's:
  they become `@{w}` and so on, and the page puts in what `classes` gives.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, partialmethod
from importlib import import_module
from typing import Any

from sphinx.errors import ExtensionError

# The parser of `re` has no public name.
_parser: Any = import_module("re._parser")
_SURROGATES = range(0xD800, 0xE000)
_SYNTAX = set("^$\\.*+?()[]{}|/")
Node = tuple[Any, Any]


@cache
def _characters() -> str:
    return "".join(
        chr(code) for code in range(0x110000) if code not in _SURROGATES
    )


@cache
def _members(pattern: str, flags: int = 0) -> str:
    """Return all characters that a pattern of one character matches."""
    return "".join(re.findall(pattern, _characters(), flags))


def ranges(characters: str) -> str:
    """Write sorted characters as the inside of a set: `0-9A-Z`."""
    codes = [ord(character) for character in characters]
    first = [
        c for n, c in enumerate(codes) if not n or codes[n - 1] != c - 1
    ]
    last = [
        c for n, c in enumerate(codes) if codes[n + 1 : n + 2] != [c + 1]
    ]
    return "".join(
        _escape(a, inside=True) + (f"-{_escape(b, True)}" if a != b else "")
        for a, b in zip(first, last, strict=True)
    )


def classes() -> dict[str, str]:
    r"""Return what `\w`, `\d`, `\s` and `\b` are in Python."""
    sets = {name: ranges(_members(rf"\{name}")) for name in "wds"}
    return sets | {"b": _boundary("@{w}")}


def to_js(pattern: str | re.Pattern[str]) -> str:
    """Translate a pattern and its flags.

    Raises:
        ExtensionError: the pattern has a construct that is not translated.
    """
    if isinstance(pattern, str):
        pattern = re.compile(pattern)
    flags = pattern.flags & ~re.VERBOSE
    tree = _parser.parse(pattern.pattern, pattern.flags)
    names = {n: name for name, n in tree.state.groupdict.items()}
    return _Writer(names).sequence(tree, flags)


def _escape(code: int, inside: bool = False) -> str:
    """Write a character, `inside` a set or outside."""
    character = chr(code)
    if character in _SYNTAX or (inside and character == "-"):
        return f"\\{character}"
    plain = character.isascii() and character.isprintable()
    plain = plain and character != "@"  # the sign of our own names
    return character if plain else f"\\u{{{code:x}}}"


class _Writer:
    """Write the nodes of a parsed pattern."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names

    def sequence(self, nodes: Sequence[Node], flags: int) -> str:
        return "".join(self.node(node, flags) for node in nodes)

    def node(self, node: Node, flags: int) -> str:
        operator, argument = node
        name = str(operator).lower()
        method: Callable[[Any, int], str] | None
        method = getattr(self, f"write_{name}", None)
        if method is None:
            raise ExtensionError(f"no translation of {name}")
        return method(argument, flags)

    def write_literal(self, code: int, flags: int) -> str:
        letters = _any_case(code, flags)
        single = len(letters) == 1
        return _escape(code) if single else f"[{ranges(letters)}]"

    def write_not_literal(self, code: int, flags: int) -> str:
        return f"[^{ranges(_any_case(code, flags))}]"

    def write_any(self, _: None, flags: int) -> str:
        return "[^]" if flags & re.DOTALL else "[^\\u{a}]"

    def write_in(self, items: Sequence[Node], flags: int) -> str:
        """Write a set; a negated class in it becomes an alternative."""
        members, excluded = "", []
        negated = str(items[0][0]) == "NEGATE"
        for operator, argument in items[negated:]:
            match str(operator):
                case "LITERAL":
                    members += ranges(_any_case(argument, flags))
                case "RANGE":
                    members += _range(argument, flags)
                case "CATEGORY":
                    inverse, inside = _category(argument, flags)
                    if inverse:
                        excluded.append(f"[^{inside}]")
                    else:
                        members += inside
        if not excluded:
            return f"[{'^' if negated else ''}{members}]"
        either = "|".join(
            [*([f"[{members}]"] if members else []), *excluded]
        )
        return f"(?!{either})[^]" if negated else f"(?:{either})"

    def write_branch(
        self, branches: tuple[None, list[Sequence[Node]]], flags: int
    ) -> str:
        _, parts = branches
        either = "|".join(self.sequence(part, flags) for part in parts)
        return f"(?:{either})"

    def write_subpattern(
        self, group: tuple[int | None, int, int, Sequence[Node]], flags: int
    ) -> str:
        number, added, removed, nodes = group
        if added & re.ASCII:
            flags &= ~re.UNICODE
        inside = self.sequence(nodes, (flags | added) & ~removed)
        if number is None:
            return f"(?:{inside})"
        name = self.names.get(number)
        return f"(?<{name}>{inside})" if name else f"({inside})"

    def write_max_repeat(
        self, repeat: tuple[int, int, Sequence[Node]], flags: int
    ) -> str:
        least, most, nodes = repeat
        inside = self.sequence(nodes, flags)
        if most == _parser.MAXREPEAT:
            times = {0: "*", 1: "+"}.get(least, f"{{{least},}}")
        elif (least, most) == (0, 1):
            times = "?"
        else:
            times = f"{{{least},{most}}}"
        return f"(?:{inside}){times}"

    def write_min_repeat(
        self, repeat: tuple[int, int, Sequence[Node]], flags: int
    ) -> str:
        return self.write_max_repeat(repeat, flags) + "?"

    def _look(
        self, assertion: tuple[int, Sequence[Node]], flags: int, sign: str
    ) -> str:
        """Write a lookahead, or a lookbehind for a negative direction."""
        direction, nodes = assertion
        behind = "" if direction > 0 else "<"
        return f"(?{behind}{sign}{self.sequence(nodes, flags)})"

    write_assert = partialmethod(_look, sign="=")
    write_assert_not = partialmethod(_look, sign="!")

    def write_at(self, place: Any, flags: int) -> str:
        lines = flags & re.MULTILINE
        ascii_word = _category("CATEGORY_WORD", re.ASCII)[1]
        return {
            "AT_BEGINNING": "(?<![^\\u{a}])" if lines else "^",
            "AT_END": "(?![^\\u{a}])" if lines else "(?=\\u{a}?$)",
            "AT_BOUNDARY": (
                _boundary(ascii_word) if flags & re.ASCII else "@{b}"
            ),
        }[str(place)]

    def write_groupref(self, number: int, flags: int) -> str:
        return f"(?:\\{number})"

    def write_groupref_exists(
        self,
        condition: tuple[int, Sequence[Node], Sequence[Node] | None],
        flags: int,
    ) -> str:
        """Write "if the group matched", for the brace of `10^{3}`.

        A group that took no part matches the empty text anywhere; one
        that did must not end just before the condition.
        """
        number, yes, no = condition
        if no:
            raise ExtensionError("no translation of 'otherwise'")
        then = self.sequence(yes, flags)
        return f"(?:(?<=\\{number})|(?<!\\{number}){then})"


def _boundary(word: str) -> str:
    return f"(?:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}]))"


def _any_case(code: int, flags: int) -> str:
    """Return the characters that match one, in any case if so flagged."""
    if not flags & re.IGNORECASE:
        return chr(code)
    kept = re.IGNORECASE | (flags & re.ASCII)
    return _members(re.escape(chr(code)), int(kept))


def _range(ends: tuple[int, int], flags: int) -> str:
    first, last = (_escape(code, inside=True) for code in ends)
    if not flags & re.IGNORECASE:
        return f"{first}-{last}"
    kept = re.IGNORECASE | (flags & re.ASCII)
    return ranges(_members(f"[{first}-{last}]", int(kept)))


def _category(category: Any, flags: int) -> tuple[bool, str]:
    r"""Return whether a class is negated, and its characters."""
    name = str(category).removeprefix("CATEGORY_")
    letter = name.removeprefix("NOT_")[0].lower()
    if flags & re.ASCII:
        return "NOT_" in name, ranges(_members(rf"\{letter}", re.ASCII))
    return "NOT_" in name, f"@{{{letter}}}"
