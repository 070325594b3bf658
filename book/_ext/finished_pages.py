"""Change the HTML of every page, once Sphinx has written it."""

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx

Change = Callable[[str], str]


def change_pages(app: Sphinx, change: Change, priority: int = 500) -> None:
    """Apply a change to each page at the end of a build.

    A page that was not written again is changed again: nothing may happen
    to it then.
    """

    def finish(app: Sphinx, error: Exception | None) -> None:
        if error is not None or app.builder.format != "html":
            return
        for path in Path(app.outdir).rglob("*.html"):
            html = path.read_text(encoding="utf-8")
            changed = change(html)
            if changed != html:
                path.write_text(changed, encoding="utf-8")

    app.connect("build-finished", finish, priority=priority)
