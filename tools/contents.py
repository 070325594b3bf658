"""The book's table of contents."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def pages() -> list[str]:
    """Return every page in reading order, without its file ending."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [
        chapter["file"]
        for part in toc["parts"]
        for chapter in part["chapters"]
    ]
    return [toc["root"], *chapters]
