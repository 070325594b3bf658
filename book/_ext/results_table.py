"""Sphinx extension: `{results-table}` and `{results-stages}`.

Both are written from the records when the book is built.
"""

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from unitconv.evaluation import leaderboard

WRITERS = {
    "results-table": leaderboard.markdown,
    "results-stages": leaderboard.stages_markdown,
}
RECORDS = [
    leaderboard.PACKAGE / "inference" / "course_model" / "results.json",
    leaderboard.PACKAGE / "evaluation" / "results" / "stages.json",
    *leaderboard.ADDED.glob("*.json"),
]


class ResultsDirective(SphinxDirective):
    """The rows of all records, or what their stages are."""

    def run(self) -> list[nodes.Node]:
        for path in RECORDS:
            self.env.note_dependency(str(path))
        text = WRITERS[self.name](leaderboard.all_rows())
        node = nodes.container(classes=["results"])
        lines = StringList(text.splitlines(), source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


def setup(app: Sphinx) -> dict[str, Any]:
    for name in WRITERS:
        app.add_directive(name, ResultsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
