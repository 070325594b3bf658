"""Sphinx extension: a page requests only files that it has a use for.

Extensions of Sphinx add their scripts and style sheets to every page. One
is left out where the page has nothing for it to do. MathJax alone is more
than a whole page without it. The others do not hold up the text. Code loses
what no one sees: the marks of names, brackets and spaces, which have the
color of all other code and are a fifth of a chapter.
"""

import re
from typing import Any

from finished_pages import change_pages
from sphinx.application import Sphinx

# What stands in a page for which a file is needed.
USES = {
    "mathjax/": r'class="math ',
    "clipboard.min.js": r"<pre",
    "copybutton.js": r"<pre",
    "copybutton.css": r"<pre",
    "design-tabs.js": r"sd-tab-set",
    "exercise.css": r'class="(?:exercise|solution)\b',
    "mystnb.": r'class="cell\b',
    "sphinx-design.min.css": r'class="sd-',
    "togglebutton.js": r"dropdown admonition",
    "togglebutton.css": r"dropdown admonition",
}
ASSET = (
    r"<link\b[^>]*\bhref=\"[^\"]*{0}[^>]*>\s*"
    r"|<script\b[^>]*\bsrc=\"[^\"]*{0}[^>]*></script>\s*"
)
COLORLESS = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')
SETTINGS = re.compile(r"<script>window\.MathJax = [^<]*</script>\s*")


def drop_unused(html: str) -> str:
    """Take out the files that a page has no use for."""
    for name, use in USES.items():
        if not re.search(use, html):
            html = re.sub(ASSET.format(re.escape(name)), "", html)
    return html if "mathjax/" in html else SETTINGS.sub("", html)


def unmark(html: str) -> str:
    """Take out the marks of code that has no color of its own."""
    return COLORLESS.sub(r"\1", html)


def defer_scripts(html: str) -> str:
    """Load the scripts of the head beside the page, not before it.

    They run in their order once the page is read. The settings stay as
    they are, because a line of the page changes them at once.
    """
    head, end, body = html.partition("</head>")
    waits = re.compile(
        r"<script (?=[^>]*\bsrc=)(?![^>]*(?:defer|async|type=))"
        r"(?![^>]*documentation_options)"
    )
    return waits.sub('<script defer="defer" ', head) + end + body


def setup(app: Sphinx) -> dict[str, Any]:
    change_pages(app, drop_unused)
    change_pages(app, unmark)
    # Other extensions look for scripts as the theme writes them.
    change_pages(app, defer_scripts, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
