"""Sphinx extension: the table of results, from the records themselves.

    ```{results-table}
    ```

on a page of `book/` becomes what `unitconv.evaluation.leaderboard`
writes of every record there is when the book is built.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from unitconv.evaluation.leaderboard import (
    ADDED,
    PACKAGE,
    all_rows,
    markdown,
    stages_markdown,
)


class ResultsTable(SphinxDirective):
    """All rows; or, as `results-stages`, what their stages are."""

    def run(self) -> list[nodes.Node]:
        for path in sources():
            self.env.note_dependency(str(path))
        rows = all_rows()
        text = WRITERS[self.name](rows)
        node = nodes.container(classes=["results"])
        lines = StringList(text.splitlines(), source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


WRITERS = {"results-table": markdown, "results-stages": stages_markdown}


def sources() -> list[Path]:
    """What the page is made of: it is read again when one has changed."""
    return [
        PACKAGE / "inference" / "course_model" / "results.json",
        PACKAGE / "evaluation" / "results" / "stages.json",
        *sorted(ADDED.glob("*.json")),
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    for name in WRITERS:
        app.add_directive(name, ResultsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
