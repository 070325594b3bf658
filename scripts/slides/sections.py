"""Sections of a chapter, read from its notebook, without solutions."""

import re
from dataclasses import dataclass, field

from nbformat import NotebookNode

from scripts.book import Directive, split

_HEADING = re.compile(r"(#{1,3}) (.+)")
_UNSEEN = {"remove-cell", "exercise", "solution", "no-slide"}


@dataclass
class Section:
    """A heading with all that follows until the next one."""

    level: int
    title: str
    paragraphs: list[str] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    cells: list[NotebookNode] = field(default_factory=list)


def read_sections(notebook: NotebookNode) -> list[Section]:
    """Return a chapter's sections; the first one has its title.

    Left out are solutions, with their texts and cells, the cells of
    exercises, and cells tagged `no-slide`.

    Raises:
        ValueError: text or code before the chapter's title.
    """
    sections: list[Section] = []
    in_solution = False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            tags = set(cell.metadata.get("tags", []))
            if not in_solution and not tags & _UNSEEN:
                _last(sections).cells.append(cell)
            continue
        for part in split(cell.source):
            if isinstance(part, Directive):
                if part.name.startswith("solution-"):
                    in_solution = part.name == "solution-start"
                elif not in_solution:
                    _last(sections).directives.append(part)
            elif not in_solution:
                _add_text(sections, part)
    return sections


def _last(sections: list[Section]) -> Section:
    if not sections:
        raise ValueError("the chapter does not begin with its title")
    return sections[-1]


def _add_text(sections: list[Section], text: str) -> None:
    for block in re.split(r"\n\s*\n", text.strip()):
        first, _, rest = block.partition("\n")
        if heading := _HEADING.fullmatch(first):
            sections.append(Section(len(heading[1]), heading[2]))
            block = rest
        if block.strip():
            _last(sections).paragraphs.append(block)
