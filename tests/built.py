"""What the tests of the built book share."""

import os
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest

from scripts.book import HTML


def missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and in CI these tests have to run")
    pytest.skip(what)


def imported(name: str) -> Any:
    """A package that the course can do without, and its tests cannot."""
    try:
        return import_module(name)
    except ImportError:
        missing(f"{name} is not installed (pip install -e '.[dev]')")


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
        return [found for tag, found in self.all if tag in tags]

    def ids(self) -> set[str]:
        return {found["id"] for _, found in self.all if "id" in found}


@cache
def elements(path: Path) -> Elements:
    return Elements(path.read_text(encoding="utf-8"))
