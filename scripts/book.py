"""The book as files: its table of contents, and Markdown directives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin

from scripts.move_repository import ROOT, address

HTML = ROOT / "_build" / "html"

_MARKDOWN = MarkdownIt().use(colon_fence_plugin)
_INFO = re.compile(r"\{(?P<name>[\w-]+)\}\s*(?P<argument>.*)")
_OPTION = re.compile(r":(?P<key>[\w-]+):\s*(?P<value>.*)")


def pages() -> list[str]:
    """Return every page in reading order, without its file ending."""

    def with_sections(page: dict[str, Any]) -> Iterator[str]:
        yield page["file"]
        for section in page.get("sections", []):
            yield from with_sections(section)

    toc = _read_yaml("_toc.yml")
    chapters = [page for part in toc["parts"] for page in part["chapters"]]
    names = [name for page in chapters for name in with_sections(page)]
    return [toc["root"], *names]


def published(file: str) -> str:
    """Return where a file of the repository can be opened by anyone.

    That is its page, if `html.baseurl` of _config.yml says where the book
    is published; else the file itself, in the repository.
    """
    config = _read_yaml("_config.yml")
    site = (config["html"].get("baseurl") or "").rstrip("/")
    page = file.rpartition(".")[0]
    if site and page in pages():
        return f"{site}/{page}.html"
    return f"{address()}/blob/{config['repository']['branch']}/{file}"


def _read_yaml(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / name).read_text("utf-8")))


@dataclass(frozen=True)
class Directive:
    """A directive of a Markdown cell: an exercise, a solution, a box.

    `lines` are the cell's, the first inclusive and the last exclusive.
    """

    name: str
    argument: str
    options: dict[str, str]
    body: list[str]
    lines: tuple[int, int]


def directives(source: str) -> list[Directive]:
    """Return the directives of a Markdown cell, in order.

    They are read with a Markdown parser, so that a line that only looks
    like a fence, inside a block of code, is none.
    """
    parsed = []
    for token in _MARKDOWN.parse(source):
        info = _INFO.fullmatch(token.info.strip())
        if token.type not in ("fence", "colon_fence") or not info:
            continue
        assert token.map is not None  # blocks know their lines
        first, last = token.map
        options, body = {}, token.content.splitlines()
        while body and (option := _OPTION.fullmatch(body[0])):
            options[option["key"]] = option["value"]
            body = body[1:]
        while body and not body[0].strip():
            body = body[1:]
        parsed.append(
            Directive(
                name=info["name"],
                argument=info["argument"],
                options=options,
                body=body,
                lines=(first, last),
            )
        )
    return parsed
