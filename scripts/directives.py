"""The directives of a notebook's Markdown: exercises, solutions, boxes.

Jupyter Book gives them a meaning; a plain notebook would show them as
code. They are read with a Markdown parser, so that a line that only looks
like a fence, inside a block of code, is none.
"""

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin

_MARKDOWN = MarkdownIt().use(colon_fence_plugin)
_INFO = re.compile(r"\{(?P<name>[\w-]+)\}\s*(?P<argument>.*)")
_OPTION = re.compile(r":(?P<key>[\w-]+):\s*(?P<value>.*)")


@dataclass(frozen=True)
class Directive:
    """One directive: what stands in it, and on which lines.

    `lines` are the cell's, the first inclusive and the last exclusive.
    """

    name: str
    argument: str
    options: dict[str, str]
    body: list[str]
    lines: tuple[int, int]


def directives(source: str) -> list[Directive]:
    """Every directive of a Markdown cell, in order."""
    found = []
    for token in _MARKDOWN.parse(source):
        info = _INFO.fullmatch(token.info.strip())
        if token.type not in ("fence", "colon_fence") or not info:
            continue
        assert token.map is not None  # blocks know their lines
        options, body = _split(token.content.splitlines())
        found.append(
            Directive(
                info["name"],
                info["argument"],
                options,
                body,
                (token.map[0], token.map[1]),
            )
        )
    return found


def _split(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options at the top, and what follows them."""
    options = {}
    while lines and (option := _OPTION.fullmatch(lines[0])):
        options[option["key"]] = option["value"]
        lines = lines[1:]
    while lines and not lines[0].strip():
        lines = lines[1:]
    return options, lines
