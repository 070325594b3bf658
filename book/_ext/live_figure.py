"""Base of the widgets of the chapters: a figure that becomes alive.

    ```{live-slots} 4
    What to look at.
    ```

The directive's content is the caption, so that a notebook, where Jupyter
shows a directive as a block of code, shows the caption at least. The rest
of the figure is drawn while the book is built, from the library or its
records. It is complete without scripts; on paper its form is left out.
"""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "live/widgets"

FIGURE = """<figure class="live-figure live-{name}">
{body}<p class="live-status visually-hidden" role="status"></p>
<figcaption>{caption}</figcaption>
</figure>
"""


def show(value: float) -> str:
    """Write a number with at most six digits, as live_figure.js does."""
    return f"{float(f'{value:.6g}'):.15g}"


class LiveFigureDirective(SphinxDirective):
    """`{live-NAME} ARGUMENT`: a static figure with a hidden form."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    #: After `live-`, in the directive and in the class of the figure.
    figure: ClassVar[str]
    #: Loaded with the page, in this order, after live_figure.js.
    scripts: ClassVar[tuple[str, ...]]
    #: Of the model, and of the grader.
    loaders: ClassVar[tuple[str, ...]] = (
        "live/load.js",
        "live/grading/load.js",
    )
    #: Of its own, after live_figure.css.
    styles: ClassVar[tuple[str, ...]] = ()

    def draw(self, argument: str) -> str:
        """Draw the form and the figure without its caption.

        Raises:
            ValueError: the argument names nothing that can be drawn.
        """
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        try:
            body = self.draw(self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from error
        html = FIGURE.format(
            name=self.figure,
            body=body,
            caption=escape(" ".join(self.content)),
        )
        widgets = ["live_figure", *self.scripts]
        names = [f"{FOLDER}/{name}.js" for name in widgets]
        sheets = ["live_figure", *self.styles]
        styles = [f"{FOLDER}/{name}.css" for name in sheets]
        return [
            nodes.raw(
                "",
                html,
                format="html",
                scripts=[*self.loaders, *names],
                styles=styles,
            )
        ]


def set_up(app: Sphinx, directive: type[LiveFigureDirective]) -> Any:
    """Add a directive, and what puts its scripts into a page."""
    app.setup_extension("live_widgets")
    app.add_directive(f"live-{directive.figure}", directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
