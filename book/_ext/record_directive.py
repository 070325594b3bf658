"""A directive that writes Markdown from records when the book is built."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from unitconv.evaluation.leaderboard.table import PACKAGE

# The book is built where the package is installed as editable, also from
# a copy of its sources elsewhere.
EXPERIMENTS = PACKAGE.parent / "experiments"


class RecordDirective(SphinxDirective, ABC):
    """A table, or a list, from `records`; subclasses write `markdown`."""

    records: Sequence[Path] = ()

    @abstractmethod
    def markdown(self) -> str: ...

    def run(self) -> list[nodes.Node]:
        for path in self.records:
            self.env.note_dependency(str(path))
        node = nodes.container(classes=["results"])
        text = self.markdown().splitlines()
        lines = StringList(text, source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    lines = [" | ".join(cells) for cells in (heads, rule, *rows)]
    return "\n".join(f"| {line} |" for line in lines)
