"""Sphinx extension: `{results-table}` and `{results-stages}`.

Both are written from the records when the book is built.
"""

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from unitconv.evaluation.leaderboard import ADDED, PACKAGE, all_rows
from unitconv.evaluation.leaderboard_table import markdown, stages_markdown

WRITERS = {"results-table": markdown, "results-stages": stages_markdown}
RECORDS = [
    PACKAGE / "inference" / "course_model" / "results.json",
    PACKAGE / "evaluation" / "results" / "stages.json",
    *ADDED.glob("*.json"),
]


class ResultsDirective(SphinxDirective):
    """The rows of all records, or what their stages are."""

    def run(self) -> list[nodes.Node]:
        for path in RECORDS:
            self.env.note_dependency(str(path))
        text = WRITERS[self.name](all_rows())
        node = nodes.container(classes=["results"])
        lines = StringList(text.splitlines(), source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


def setup(app: Sphinx) -> dict[str, Any]:
    for name in WRITERS:
        app.add_directive(name, ResultsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
