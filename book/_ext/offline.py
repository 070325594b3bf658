"""Sphinx extension: keep out of the pages what a book on disk cannot use.

- The theme preloads its icon fonts across origins, which a browser refuses
  for files; the style sheet loads the same fonts without fuss.
- sphinx-thebe, which Jupyter Book always loads, prepares every page, twice,
  for a script from another host that nothing here ever asks for.
"""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

UNUSABLE = re.compile(
    r'<link rel="preload" as="font"[^>]*>\s*'
    r"|<script>const THEBE_JS_URL\b.*?</script>\s*"
    r'|<script[^>]*\bsrc="[^"]*sphinx-thebe\.js[^"]*"[^>]*></script>\s*',
    re.DOTALL,
)


def clean(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        cleaned = UNUSABLE.sub("", html)
        if cleaned != html:
            path.write_text(cleaned, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", clean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
