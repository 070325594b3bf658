"""Sphinx extension: accessible names and roles that other tools leave out.

- pandas and docutils make the corner of a table an empty header, and give
  headers no scope.
- Sphinx writes the parameters of a long signature as a definition list
  without terms.
- The theme's sidebar is in no landmark, and the arrow that unfolds it has
  no name.
"""

import re
from typing import Any

from finished_pages import change_pages
from sphinx.application import Sphinx

TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
EMPTY = re.compile(r"<th\b[^>]*>\s*(?:<p>\s*</p>)?\s*</th>")
SIGNATURE = re.compile(r'<dt class="sig.*?</dt>', re.DOTALL)
SIDEBAR = '<div class="bd-sidebar-primary bd-sidebar'
ARROW = '<summary><span class="toctree-toggle"'


def add_scopes(table: str) -> str:
    """Give every header of an HTML table its scope."""
    table = EMPTY.sub("<td></td>", table)
    head = HEAD.search(table)
    end = head.end() if head else 0
    columns = re.sub(r"<th\b(?! scope)", '<th scope="col"', table[:end])
    rows = re.sub(r"<th\b(?! scope)", '<th scope="row"', table[end:])
    return columns + rows


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


def name_sidebar(html: str) -> str:
    """Make the sidebar a landmark, and give its arrows a name."""
    sidebar = f'<div role="navigation" aria-label="Book"{SIDEBAR[4:]}'
    arrow = f'<summary aria-label="Pages below this one"{ARROW[8:]}'
    return html.replace(SIDEBAR, sidebar).replace(ARROW, arrow)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", mend_body)
    change_pages(app, name_sidebar)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
