"""The book's table of contents, and where its pages are published."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scripts.move_repository import address

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"


def pages() -> list[str]:
    """Return every page in reading order, without its file ending."""
    toc = _read("_toc.yml")
    chapters = [page for part in toc["parts"] for page in part["chapters"]]
    return [toc["root"], *(name for page in chapters for name in _of(page))]


def _of(page: dict[str, Any]) -> Iterator[str]:
    """A page, and then the pages below it."""
    yield page["file"]
    for section in page.get("sections", []):
        yield from _of(section)


def published(file: str) -> str:
    """Return where a file of the repository can be opened by anyone.

    That is its page, if `html.baseurl` of _config.yml says where the book
    is published; else the file itself, in the repository.
    """
    config = _read("_config.yml")
    site = (config["html"].get("baseurl") or "").rstrip("/")
    page = file.rpartition(".")[0]
    if site and page in pages():
        return f"{site}/{page}.html"
    return f"{address()}/blob/{config['repository']['branch']}/{file}"


def _read(name: str) -> dict[str, Any]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))
