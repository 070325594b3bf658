"""Sphinx extension: a page loads what the book holds, and nothing else.

Each page carries a content security policy, as a `<meta>`: it holds on any
host, and for a page that is opened from disk. Scripts in the page itself
are named by their hashes, so that no other script can be slipped in. The
widgets compile WebAssembly, where the reader's host allows it.
"""

import base64
import hashlib
import re
from typing import Any

from finished_pages import change_pages
from sphinx.application import Sphinx

CHARSET = '<meta charset="utf-8" />'
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL
)
HANDLER = re.compile(r'<[a-z]+ [^<>]*?\bon[a-z]+="([^"]*)"')
POLICY = re.compile(r'\s*<meta http-equiv="Content-Security-Policy"[^>]*>')
# Drawings carry their styles in attributes, and MathJax writes rules.
REST = (
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'"
)


def digest(script: str) -> str:
    """Hash a script as a browser does."""
    found = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(found).decode('ascii')}'"


def policy(html: str) -> str:
    """Write the policy of a page, from the scripts in it."""
    scripts = {digest(script) for script in INLINE.findall(html)}
    handlers = {digest(script) for script in HANDLER.findall(html)}
    allowed = ["'self'", "'wasm-unsafe-eval'", *sorted(scripts | handlers)]
    if handlers:  # buttons of the theme
        allowed.append("'unsafe-hashes'")
    return f"default-src 'none'; script-src {' '.join(allowed)}; {REST}"


def add_policy(html: str) -> str:
    """Add the policy to a page, before anything that it governs."""
    html = POLICY.sub("", html)
    meta = (
        '<meta http-equiv="Content-Security-Policy" '
        f'content="{policy(html)}" />'
    )
    return html.replace(CHARSET, f"{CHARSET}\n    {meta}", 1)


def setup(app: Sphinx) -> dict[str, Any]:
    # After every other change of a page, whose scripts it hashes.
    change_pages(app, add_policy, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
