"""Sphinx extension: accessible names and roles that other tools leave out.

- pandas and docutils make the corner of a table an empty header, and give
  headers no scope. pandas writes the name of an index in a second row of
  headers, and `NaN` where there is no number.
- Sphinx writes the parameters of a long signature as a definition list
  without terms.
- The theme's sidebar is in no landmark, and the arrow that unfolds it has
  no name; the title of the first page says its name twice.
"""

import re
from typing import Any

from finished_pages import change_pages
from sphinx.application import Sphinx

TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
HEADER = re.compile(r"<th\b.*?</th>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
EMPTY = re.compile(r"<th\b[^>]*>\s*(?:<p>\s*</p>)?\s*</th>")
SIGNATURE = re.compile(r'<dt class="sig.*?</dt>', re.DOTALL)
TWICE = re.compile(r"<title>(.+) &#8212; \1</title>")
SIDEBAR = '<div class="bd-sidebar-primary bd-sidebar'
ARROW = '<summary><span class="toctree-toggle"'


def add_scopes(table: str) -> str:
    """Give every header of an HTML table its scope."""
    table = EMPTY.sub("<td></td>", merge_names(table))
    table = table.replace("<td>NaN</td>", "<td>\u2013</td>")
    head = HEAD.search(table)
    end = head.end() if head else 0
    columns = re.sub(r"<th\b(?! scope)", '<th scope="col"', table[:end])
    rows = re.sub(r"<th\b(?! scope)", '<th scope="row"', table[end:])
    return columns + rows


def merge_names(table: str) -> str:
    """Write the name of an index into the header, not into a second row.

    pandas gives it a row of its own, whose other cells are empty.
    """
    head = HEAD.search(table)
    rows = ROW.findall(head[0]) if head else []
    if head is None or len(rows) != 2:
        return table
    above, below = (HEADER.findall(row) for row in rows)
    named = [cell for cell in below if not EMPTY.fullmatch(cell)]
    width = len(named)
    if below[:width] != named or len(above) != len(below):
        return table
    if width in (0, len(below)):  # no names, or a row of real headers
        return table
    for index, cell in enumerate(named):
        words = [TAG.sub("", one).strip() for one in (cell, above[index])]
        above[index] = f"<th>{' / '.join(filter(None, words))}</th>"
    start = rows[0].partition(">")[0]  # with its style
    merged = f"<thead>{start}>{''.join(above)}</tr></thead>"
    return table.replace(head[0], merged)


def list_parameters(signature: str) -> str:
    """Turn the definition list in a signature into a plain list."""
    html = re.sub(r"<(/?)dl>", r"<\1ul>", signature)
    return re.sub(r"<(/?)dd>", r"<\1li>", html)


def mend_body(app: Sphinx, *arguments: Any) -> None:
    context: dict[str, Any] = arguments[2]
    if "body" in context:
        body = TABLE.sub(
            lambda match: add_scopes(match[0]), context["body"]
        )
        context["body"] = SIGNATURE.sub(
            lambda match: list_parameters(match[0]), body
        )


def mend_page(html: str) -> str:
    """Name the sidebar and its arrows, and the first page once."""
    html = TWICE.sub(r"<title>\1</title>", html)
    sidebar = f'<div role="navigation" aria-label="Book"{SIDEBAR[4:]}'
    arrow = f'<summary aria-label="Pages below this one"{ARROW[8:]}'
    return html.replace(SIDEBAR, sidebar).replace(ARROW, arrow)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", mend_body)
    change_pages(app, mend_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
