"""Sphinx extension: make pages right for the place they are opened from.

Opened from disk, a page can load neither of these, so they go:

- The preloads of the theme's icon fonts, which a browser refuses across
  origins; the style sheet loads the same fonts.
- sphinx-thebe, which Jupyter Book always loads, for a script of another
  host that nothing here asks for.

`html.baseurl` in _config.yml says where the book is published. It becomes
the root of the page for missing addresses and of Open Graph; while it is
empty, no page gives an address of its own.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from finished_pages import change_pages
from sphinx.application import Sphinx
from sphinx.config import Config

REMOVED = re.compile(
    r'<link rel="preload" as="font"[^>]*>\s*'
    r"|<script>const THEBE_JS_URL\b.*?</script>\s*"
    r'|<script[^>]*\bsrc="[^"]*sphinx-thebe\.js[^"]*"[^>]*></script>\s*'
    r'|<link[^>]*\bhref="[^"]*sphinx-thebe\.css[^"]*"[^>]*>\s*'
    r'|<meta property="og:url" content="(?!https?:)[^"]*" />\s*',
    re.DOTALL,
)


def set_addresses(app: Sphinx, config: Config) -> None:
    site = (config.html_baseurl or "").rstrip("/") + "/"
    config["notfound_urls_prefix"] = urlsplit(site).path
    if config.html_baseurl:
        config["ogp_site_url"] = site
    else:
        config["ogp_image"] = None


def clean(html: str) -> str:
    return REMOVED.sub("", html)


def setup(app: Sphinx) -> dict[str, Any]:
    # Before sphinx-notfound-page checks its prefix.
    app.connect("config-inited", set_addresses, priority=400)
    change_pages(app, clean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
