"""The book's table of contents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"


def pages() -> list[str]:
    """Return every page in reading order, without its file ending."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [page for part in toc["parts"] for page in part["chapters"]]
    return [toc["root"], *(name for page in chapters for name in _of(page))]


def _of(page: dict[str, Any]) -> Iterator[str]:
    """A page, and then the pages below it."""
    yield page["file"]
    for section in page.get("sections", []):
        yield from _of(section)
