"""Sphinx extension: figures drawn while the book is built.

In a page of Markdown,

    ```{picture} stage-rates
    ```

draws what FIGURES has under that name, from the records of today, so it is
never older than they are. It is drawn twice, wide and for a phone, and the
page shows the one that it has room for.
"""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from unitconv import figures
from unitconv.figures import Picture

# What a stage of the record is to a reader who knows no chapter yet.
STAGES = {
    "cot": "shown how to reason",
    "sft": "taught bare answers",
    "rft-1": "taught own reasoning",
    "rft-2": "taught once more",
}


def stage_rates(narrow: bool = False) -> Picture:
    """How many of the test questions each stage gets right."""
    record = files("unitconv") / "evaluation" / "results" / "stages.json"
    seeds = json.loads(record.read_text(encoding="utf-8"))["seeds"]
    rates = next(iter(seeds.values()))["rates"]["test"]
    return figures.stage_rates(
        list(STAGES.values()),
        [rates[stage]["accuracy"] for stage in STAGES],
        [rates[stage]["accuracy_ci95"] for stage in STAGES],
        [rates[stage]["answer_rate"] for stage in STAGES],
        narrow,
    )


FIGURES: dict[str, Callable[[bool], Picture]] = {
    "course-loop": figures.course_loop,
    "stage-rates": stage_rates,
}
# What sphinx-design shows on a narrow page only, and on all others. What
# is not shown is not read out either.
SHOWN = {True: "sd-d-sm-none", False: "sd-d-none sd-d-sm-block"}


class PictureDirective(SphinxDirective):
    """Put a figure of FIGURES on the page; on paper of LaTeX, its words."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in FIGURES:
            known = ", ".join(sorted(FIGURES))
            raise self.error(f"no figure {name!r}; there are: {known}")
        html = "".join(
            f'<div class="{classes}">{drawn._repr_html_()}</div>'
            for narrow, classes in SHOWN.items()
            for drawn in [FIGURES[name](narrow)]
        )
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("picture", PictureDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
