"""Sphinx extension: "Suggest edit" opens a chapter's .py, not its .ipynb.

A notebook is shown by its host as JSON, outputs and all; its pair, which
`make pairs` brings in line again, is text.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

AFTER_THE_THEME = 600


def edit_the_script(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("label") == "source-edit-button":
                url = button["url"].removesuffix(".ipynb")
                if url != button["url"]:
                    button["url"] = f"{url}.py"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect(
        "html-page-context", edit_the_script, priority=AFTER_THE_THEME
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
