"""Sphinx extension: draw a figure while the book is built.

    ```{picture} stage-rates
    ```

draws that entry of FIGURES from the current records, wide and for a phone;
the page shows the one that fits.
"""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from unitconv import figures
from unitconv.figures import Picture

# The stages of the record, in words for a reader who knows no chapter yet.
STAGES = {
    "cot": "shown how to reason",
    "sft": "taught bare answers",
    "rft-1": "taught own reasoning",
    "rft-2": "taught once more",
}


def stage_rates(narrow: bool = False) -> Picture:
    """Draw the share of test questions that each stage answers rightly."""
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
# Classes of sphinx-design; a hidden figure is not read out either.
VISIBLE = {True: "sd-d-sm-none", False: "sd-d-none sd-d-sm-block"}


class PictureDirective(SphinxDirective):
    """`{picture} NAME`: a figure of FIGURES, as inline SVG."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        draw = FIGURES.get(self.arguments[0])
        if draw is None:
            raise self.error(
                f"no such figure; there are: {sorted(FIGURES)}"
            )
        html = "".join(
            f'<div class="{classes}">{draw(narrow)._repr_html_()}</div>'
            for narrow, classes in VISIBLE.items()
        )
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("picture", PictureDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
