"""Sphinx extension: the tables of the results page, by directives.

They are written from the records when the book is built.
"""

from typing import Any

from record_directive import RecordDirective
from sphinx.application import Sphinx

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


class ResultsDirective(RecordDirective):
    """A table, or the list of stages."""

    records = RECORDS

    def markdown(self) -> str:
        return WRITERS[self.name]()


def setup(app: Sphinx) -> dict[str, Any]:
    for name in WRITERS:
        app.add_directive(name, ResultsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
