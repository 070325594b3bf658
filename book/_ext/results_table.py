"""Sphinx extension: the tables of the results page, by directives.

They are written from the records when the book is built.
"""

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
RECORDS = [
    table.PACKAGE / "inference" / "course_model" / "results.json",
    stages.STAGE_RECORD,
    *table.ADDED.glob("*.json"),
]


class ResultsDirective(SphinxDirective):
    """A table, or the list of stages, from the records."""

    def run(self) -> list[nodes.Node]:
        for path in RECORDS:
            self.env.note_dependency(str(path))
        text = WRITERS[self.name]()
        node = nodes.container(classes=["results"])
        lines = StringList(text.splitlines(), source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


def setup(app: Sphinx) -> dict[str, Any]:
    for name in WRITERS:
        app.add_directive(name, ResultsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
