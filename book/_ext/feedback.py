"""Sphinx extension: a link on every page to say what is wrong with it.

It opens an issue with the page's name, as the button of the theme does
which few readers look for.
"""

import html
import re
from typing import Any
from urllib.parse import urlencode

from finished_pages import change_pages
from sphinx.application import Sphinx

ISSUE = re.compile(
    r'href="([^"]+/issues/new)\?title=[^"]*?%2F([^"&]+)\.html'
)
END = '<footer class="prev-next-footer'
LINK = (
    '<p class="feedback d-print-none"><a href="{}">Something wrong or '
    "unclear on this page? Open an issue.</a></p>\n"
)


def add_link(page: str) -> str:
    """Put the link at the end of a page's text."""
    found = ISSUE.search(page)
    if found is None or 'class="feedback' in page:
        return page
    address, name = found.groups()
    asked = "What is wrong or unclear, and where:\n\n"
    query = urlencode({"title": f"Page {name}: ", "body": asked})
    link = LINK.format(html.escape(f"{address}?{query}", quote=True))
    return page.replace(END, link + END, 1)


def setup(app: Sphinx) -> dict[str, Any]:
    change_pages(app, add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
