"""Sphinx extension: "Suggest edit" opens a chapter's .py, not its .ipynb.

GitHub shows a notebook as JSON with its outputs; the paired .py is text.
"""

from typing import Any

from sphinx.application import Sphinx


def edit_the_script(app: Sphinx, *arguments: Any) -> None:
    context: dict[str, Any] = arguments[2]
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("label") == "source-edit-button":
                url: str = button["url"]
                if url.endswith(".ipynb"):
                    button["url"] = url.removesuffix(".ipynb") + ".py"


def setup(app: Sphinx) -> dict[str, Any]:
    # After the theme, which adds the buttons at priority 501.
    app.connect("html-page-context", edit_the_script, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
