"""Helpers for the tests of the built book."""

import os
from functools import cache
from html.parser import HTMLParser
from typing import NoReturn

import pytest

from scripts.book import HTML


def missing(what: str) -> NoReturn:
    """Skip the test; in CI, where nothing may be missing, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and in CI these tests have to run")
    pytest.skip(what)


def need_book() -> None:
    if not (HTML / "index.html").exists():
        missing("no built book here (run `make book`)")


class Elements(HTMLParser):
    """Every element of a page with its attributes, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.all.append((tag, {k: v or "" for k, v in attrs}))

    def of(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.all if tag in tags]

    def ids(self) -> set[str]:
        return {attrs["id"] for _, attrs in self.all if "id" in attrs}


@cache
def elements(name: str) -> Elements:
    """Parse a page of the built book by its name, such as `book/intro`."""
    return Elements((HTML / f"{name}.html").read_text(encoding="utf-8"))
