"""Sphinx extension: the tables of the results page, by directives.

They are written from the records when the book is built.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from unitconv.evaluation.leaderboard import stages, table

WRITERS = {
    "results-table": lambda: table.markdown(table.all_rows()),
    "results-stages": lambda: table.stages_markdown(table.all_rows()),
    "results-seeds": stages.seeds_markdown,
    "results-comparisons": stages.comparisons_markdown,
}
RESULTS = table.PACKAGE / "evaluation" / "results"
RECORDS = (
    table.PACKAGE / "inference" / "course_model" / "results.json",
    *RESULTS.glob("*.json"),
    *table.ADDED.glob("*.json"),
)


class RecordDirective(SphinxDirective):
    """A table, or a list, in Markdown, from the records."""

    records: Sequence[Path] = RECORDS

    def markdown(self) -> str:
        return WRITERS[self.name]()

    def run(self) -> list[nodes.Node]:
        for path in self.records:
            self.env.note_dependency(str(path))
        node = nodes.container(classes=["results"])
        text = self.markdown().splitlines()
        lines = StringList(text, source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


def setup(app: Sphinx) -> dict[str, Any]:
    for name in WRITERS:
        app.add_directive(name, RecordDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
