"""Sphinx extension: `{bibliography-of-chapters}`, from the chapters' own.

Every chapter ends with its References. This page collects them, so that an
entry stands in one place only: what several chapters cite is shown once,
with the chapters that cite it, sorted by the first author's family name.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

INITIALS = re.compile(r"(?:[A-Z]\.[- ]?)+ ")


@dataclass
class Entry:
    """A source: its text in Markdown, and the chapters that cite it."""

    text: str
    chapters: list[str] = field(default_factory=list)

    @property
    def link(self) -> str | None:
        found = re.search(r"\]\((.+?)\)", self.text)
        return found[1] if found else None

    @property
    def work(self) -> str:
        """Authors, year and title: the text as far as "(2022). Title"."""
        head = re.match(r".*?\(\d{4}\)\. [^.?]+", self.text)
        return head[0].casefold() if head else self.text.casefold()

    @property
    def order(self) -> str:
        """The first author's family name, and then the rest."""
        return INITIALS.sub("", self.text, count=1).casefold()

    def is_same_as(self, other: "Entry") -> bool:
        same_link = self.link is not None and self.link == other.link
        return same_link or self.work == other.work

    def absorb(self, other: "Entry") -> None:
        """Keep the fuller of the two texts, one with a link if any has."""
        self.chapters += other.chapters
        mine, theirs = (
            (e.link is not None, len(e.text)) for e in (self, other)
        )
        if theirs > mine:
            self.text = other.text


def references(script: str) -> Iterator[str]:
    """The entries of a notebook's References, each on one line."""
    _, found, text = script.partition("\n# ## References\n")
    if not found:
        return
    cell = re.split(r"\n(?!#)|\n# %%", text)[0]
    prose = re.sub(r"^# ?", "", cell, flags=re.M)
    for item in re.split(r"^- ", prose, flags=re.M)[1:]:
        yield re.sub(r"\]\(\s+", "](", " ".join(item.split()))


def collect(scripts: Iterable[tuple[str, str]]) -> list[Entry]:
    """Each work that (chapter, its script) cite, sorted."""
    entries: list[Entry] = []
    for chapter, script in scripts:
        for text in references(script):
            new = Entry(text, [chapter])
            same = [old for old in entries if old.is_same_as(new)]
            if same:
                same[0].absorb(new)
            else:
                entries.append(new)
    return sorted(entries, key=lambda entry: entry.order)


def chapter_scripts(folder: Path, documents: Iterable[str]) -> list[Path]:
    """The .py of every document that is a notebook, in their order."""
    paths = [folder / f"{name}.py" for name in sorted(documents)]
    return [path for path in paths if path.is_file()]


def as_markdown(entries: Iterable[Entry]) -> str:
    lines = []
    for entry in entries:
        cited = ", ".join(
            f"[](/notebooks/{chapter}.ipynb)" for chapter in entry.chapters
        )
        lines.append(f"- {entry.text}\n\n  Cited in {cited}.\n")
    return "\n".join(lines)


class Bibliography(SphinxDirective):
    """`{bibliography-of-chapters}`: all of it, as a list."""

    def run(self) -> list[nodes.Node]:
        documents = self.env.found_docs
        scripts = chapter_scripts(Path(self.env.srcdir), documents)
        for path in scripts:
            self.env.note_dependency(str(path))
        entries = collect((p.stem, p.read_text("utf-8")) for p in scripts)
        lines = as_markdown(entries).splitlines()
        held = nodes.container(classes=["bibliography"])
        self.state.nested_parse(StringList(lines, "references"), 0, held)
        return [held]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("bibliography-of-chapters", Bibliography)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
