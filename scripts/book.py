"""The table of contents of the book, and its Markdown directives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin

from scripts.move_repository import ROOT

HTML = ROOT / "_build" / "html"

_MARKDOWN = MarkdownIt().use(colon_fence_plugin)
_INFO = re.compile(r"\{(?P<name>[\w-]+)\}\s*(?P<argument>.*)")
_OPTION = re.compile(r":(?P<key>[\w-]+):\s*(?P<value>.*)")


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def pages() -> list[str]:
    """Return every page in reading order, without its file ending."""
    toc = read_yaml("_toc.yml")
    names = [toc["root"]]
    for part in toc["parts"]:
        for page in part["chapters"]:
            sections = page.get("sections", [])
            names += [one["file"] for one in [page, *sections]]
    return names


@dataclass(frozen=True)
class Directive:
    """A directive of a Markdown cell: an exercise, a solution, a box."""

    name: str
    argument: str
    options: dict[str, str]
    body: list[str]


def split(source: str) -> Iterator[str | Directive]:
    """Yield the directives of a Markdown cell and the text around them.

    They are read with a Markdown parser, so that a line that only looks
    like a fence, inside a block of code, is none.
    """
    lines, done = source.splitlines(), 0
    for token in _MARKDOWN.parse(source):
        info = _INFO.fullmatch(token.info.strip())
        if token.type not in ("fence", "colon_fence") or not info:
            continue
        assert token.map is not None  # blocks know their lines
        first, last = token.map
        yield "\n".join(lines[done:first])
        done = last
        body = token.content.splitlines()
        options = {}
        while body and (option := _OPTION.fullmatch(body[0])):
            options[option["key"]] = option["value"]
            body = body[1:]
        body = "\n".join(body).strip().splitlines()
        yield Directive(**info.groupdict(), options=options, body=body)
    yield "\n".join(lines[done:])


def directives(source: str) -> list[Directive]:
    return [part for part in split(source) if isinstance(part, Directive)]
