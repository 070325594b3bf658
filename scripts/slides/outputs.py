"""Outputs of cells: printed text, figures and tables that fit a slide."""

import re
from collections.abc import Iterator

from nbformat import NotebookNode

ROWS, COLUMNS = 9, 7  # of a table
# Room for a drawing: below the heading, or beside it.
BELOW, BESIDE = (1136, 430), (740, 624)
_VIEW = re.compile(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"')


def printed(cell: NotebookNode) -> str:
    """Return the text that a cell prints or returns."""
    texts = []
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            texts.append(output.text)
        elif "text/html" not in data:
            texts.append(data.get("text/plain", ""))
    return "\n".join(text.rstrip("\n") for text in texts)


def shown(cells: list[NotebookNode]) -> Iterator[str]:
    """Yield the HTML of each figure, and of the first table that fits."""
    tables = 0
    for cell in cells:
        for output in cell.outputs:
            html = output.get("data", {}).get("text/html", "")
            if 'class="picture"' in html:
                yield html
            elif "<table" in html and not tables and fits(html):
                tables += 1
                yield re.sub(r"<style.*?</style>", "", html, flags=re.S)


def fits(table: str) -> bool:
    """Say whether a table is small enough for a slide."""
    rows = table.count("<tr")
    cells = table.count("<td") + table.count("<th")
    return rows <= ROWS + 1 and cells / rows <= COLUMNS


def is_upright(html: str) -> bool:
    """Say whether a figure has more room beside its heading than below."""
    view = _VIEW.search(html)
    if not view:
        return False
    width, height = float(view[1]), float(view[2])
    below, beside = (
        min(room[0] / width, room[1] / height) for room in (BELOW, BESIDE)
    )
    return beside > below
