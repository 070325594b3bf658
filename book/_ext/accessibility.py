"""Sphinx extension: what a page says to who listens to it.

- pandas and docutils leave the corner of a table as an empty header, and
  say of no header whether it heads a row or a column.
- Sphinx writes the parameters of a long signature as a list of definitions
  without terms; they are a plain list.
- The theme's sidebar, its logo included, belongs to no landmark, and the
  arrow that unfolds the pages below a page has no name.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
EMPTY = re.compile(r"<th\b[^>]*>\s*(?:<p>\s*</p>)?\s*</th>")
SIGNATURE = re.compile(r'<dt class="sig.*?</dt>', re.DOTALL)
SIDEBAR = '<div class="bd-sidebar-primary bd-sidebar'
ARROW = '<summary><span class="toctree-toggle"'


def scoped(table: str) -> str:
    """Say of every header of one table what it heads."""
    table = EMPTY.sub("<td></td>", table)
    head = HEAD.search(table)
    end = head.end() if head else 0
    columns = re.sub(r"<th\b(?! scope)", '<th scope="col"', table[:end])
    rows = re.sub(r"<th\b(?! scope)", '<th scope="row"', table[end:])
    return columns + rows


def listed(signature: str) -> str:
    """The parameters of one signature as a list."""
    plain = re.sub(r"<(/?)dl>", r"<\1ul>", signature)
    return re.sub(r"<(/?)dd>", r"<\1li>", plain)


def describe(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    if "body" not in context:
        return
    body = TABLE.sub(lambda found: scoped(found[0]), context["body"])
    context["body"] = SIGNATURE.sub(lambda found: listed(found[0]), body)


def name_the_sidebar(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    named = f'<div role="navigation" aria-label="Book"{SIDEBAR[4:]}'
    unfolds = f'<summary aria-label="Pages below this one"{ARROW[8:]}'
    for path in app.outdir.rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        if SIDEBAR in html:
            html = html.replace(SIDEBAR, named).replace(ARROW, unfolds)
            path.write_text(html, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", describe)
    app.connect("build-finished", name_the_sidebar)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
