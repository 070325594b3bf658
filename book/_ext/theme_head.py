"""Sphinx extension: every page has its colors before it is drawn.

The theme leaves `data-theme="auto"`, which matches none of its rules, until
a script at the end of the page has run. Until then, and for ever without
scripts, a page would have black code on dark grey and two logos. So the
attribute says light, and a script in the head says dark where the reader or
the system asks for it.
"""

import re
from typing import Any

from finished_pages import change_pages
from sphinx.application import Sphinx

UNRESOLVED = 'data-theme="auto"'
OF_THE_THEME = re.compile(
    r"document\.documentElement\.dataset\.theme = "
    r'localStorage\.getItem\("theme"\)[^;]*;'
)
RESOLVED = """{
      const { dataset } = document.documentElement;
      const dark = matchMedia("(prefers-color-scheme: dark)").matches;
      dataset.theme = dataset.mode !== "auto" ? dataset.mode
        : dark ? "dark" : "light";
    }"""


def resolve_theme(html: str) -> str:
    html = html.replace(UNRESOLVED, 'data-theme="light"', 1)
    return OF_THE_THEME.sub(RESOLVED, html)


def setup(app: Sphinx) -> dict[str, Any]:
    change_pages(app, resolve_theme)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
