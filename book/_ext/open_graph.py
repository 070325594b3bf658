"""Sphinx extension: what a link to a page shows where it is posted.

Title, description and kind stand on every page. The address and the
picture have to be absolute, so they are left out until `html.baseurl` in
_config.yml says where the book is published.
"""

import html
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from sphinx.application import Sphinx

CARD = "_static/images/card.png"
LENGTH = 200


def description(doctree: nodes.document) -> str:
    """The first paragraph of the text: as many sentences as fit."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section):
            return shortened(" ".join(paragraph.astext().split()))
    return ""


def shortened(text: str) -> str:
    if len(text) <= LENGTH:
        return text
    sentences, end, _ = text[: LENGTH + 1].rpartition(". ")
    if end:
        return f"{sentences}."
    return text[:LENGTH].rsplit(" ", 1)[0] + " ..."


def tags(
    app: Sphinx, pagename: str, title: str, text: str
) -> dict[str, str]:
    """Return the Open Graph properties of one page."""
    found = {
        "title": title,
        "description": text,
        "type": "website" if pagename == app.config.root_doc else "article",
        "site_name": app.config.html_title,
    }
    site = app.config.html_baseurl
    if site:
        site = site.rstrip("/") + "/"
        found["url"] = urljoin(site, f"{pagename}.html")
        found["image"] = urljoin(site, CARD)
        found["image:alt"] = f"{app.config.html_title}: unitconv"
    return {name: value for name, value in found.items() if value}


def add_tags(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    if doctree is None:
        return
    text = description(doctree)
    title = app.env.titles[pagename].astext()
    lines = [
        f'<meta property="og:{name}" content="{html.escape(value)}" />'
        for name, value in tags(app, pagename, title, text).items()
    ]
    if text:
        lines.append(
            f'<meta name="description" content="{html.escape(text)}" />'
        )
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_tags)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
