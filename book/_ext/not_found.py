"""Sphinx extension: 404.html, for an address that leads nowhere.

A host shows it in the place of the missing page, at whatever depth that
stood. So a script finds the root of the book before anything is loaded:
`html.baseurl` of _config.yml if that is set, else what comes before a
folder of the book, else the folder of the missing page.
"""

import html
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sphinx.application import Sphinx

NAME = "404"

# Links to a place on the page itself must not follow the new base.
FIND_ROOT = """
<meta name="robots" content="noindex" />
<script>
(() => {
  if (location.protocol === "file:") return;
  const {pathname, search} = location;
  const site = SITE;
  const parts = pathname.split("/");
  const folder = parts.findIndex((part) => FOLDERS.includes(part));
  const base = document.createElement("base");
  base.href = site && pathname.startsWith(site) ? site
    : parts.slice(0, folder < 0 ? -1 : folder).join("/") + "/";
  document.head.prepend(base);
  addEventListener("DOMContentLoaded", () => {
    for (const link of document.querySelectorAll('a[href^="#"]'))
      link.href = pathname + search + link.getAttribute("href");
  });
})();
</script>"""

BODY = """
<section>
<h1>Page not found</h1>
<p>There is no page at this address. It may have been renamed. Look for its
words, or choose a page.</p>
<form class="lost" action="search.html" method="get" role="search">
<label for="lost-words">Words to look for</label>
<input id="lost-words" class="form-control" type="search" name="q" />
<button class="btn btn-primary" type="submit">Search</button>
</form>
<h2>All pages</h2>
<ul>
LINKS
</ul>
</section>"""


def find_root(app: Sphinx) -> str:
    site = urlsplit(app.config.html_baseurl or "").path
    names = {name.split("/")[0] for name in app.env.found_docs}
    folders = sorted(name for name in names if name not in app.env.titles)
    return FIND_ROOT.replace(
        "SITE", json.dumps(site.rstrip("/") + "/" if site else "")
    ).replace("FOLDERS", json.dumps(folders))


def in_order(app: Sphinx, name: str) -> Iterator[str]:
    """A page, and then the pages below it in the table of contents."""
    yield name
    for below in app.env.toctree_includes.get(name, []):
        yield from in_order(app, below)


def body(app: Sphinx) -> str:
    links = [
        f'<li><a href="{app.builder.get_relative_uri(NAME, name)}">'
        f"{html.escape(app.env.titles[name].astext())}</a></li>"
        for name in in_order(app, app.config.root_doc)
    ]
    return BODY.replace("LINKS", "\n".join(links))


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    context = {
        "title": "Page not found",
        "body": body(app),
        "metatags": find_root(app),
    }
    yield NAME, context, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
