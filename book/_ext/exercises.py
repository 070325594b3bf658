"""Sphinx extension: solutions and checks of exercises, folded.

A solution is a `<details>`: it opens without scripts, by a link into it and
by a search in the page, and its summary names the exercise. In the cell of
an exercise, the check is folded below the place for the answer; what the
cell printed before anybody answered ("Not yet: ...") is left out.
"""

import re
from typing import Any

from docutils import nodes
from finished_pages import change_pages
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator
from sphinx_exercise.nodes import (
    exercise_enumerable_node,
    exercise_node,
    solution_node,
)

CHECK = re.compile(r"^def check_", re.MULTILINE)
FOLDED = '<details class="check"><summary>The check</summary>'
TITLE = re.compile(
    r'(<details class="solution[^>]*>\s*)<p class="admonition-title">(.*?)'
    r"</p>",
    re.DOTALL,
)
LINK = re.compile(r"</?a\b[^>]*>")


class FoldChecks(SphinxPostTransform):
    """Fold what follows the answer in the cell of an exercise."""

    default_priority = 500
    formats = ("html",)

    def run(self, **options: Any) -> None:
        for cell in list(self.document.findall(nodes.container)):
            if "tag_exercise" not in cell["classes"]:
                continue
            for part in list(cell.children):
                if "cell_output" in part["classes"]:
                    cell.remove(part)
            for code in list(cell.findall(nodes.literal_block)):
                fold(code)
        for kind in (
            exercise_node,
            exercise_enumerable_node,
            solution_node,
        ):
            for exercise in self.document.findall(kind):
                for section in list(exercise.findall(nodes.section)):
                    section["ids"] = []  # the same one in each exercise


def fold(code: nodes.literal_block) -> None:
    """Split a block of code before its check, and fold the check."""
    text = code.astext()
    start = CHECK.search(text)
    if start is None:
        return
    check = code.copy()
    for block, part in (
        (code, text[: start.start()].rstrip()),
        (check, text[start.start() :]),
    ):
        block.rawsource = part
        block.children = [nodes.Text(part)]
    folded = [
        nodes.raw("", FOLDED, format="html"),
        check,
        nodes.raw("", "</details>", format="html"),
    ]
    place = code.parent.index(code) + 1
    code.parent.insert(place, folded)


def visit_solution(self: HTML5Translator, node: solution_node) -> None:
    node["classes"] = ["solution", "admonition"]
    self.body.append(self.starttag(node, "details"))


def depart_solution(self: HTML5Translator, node: solution_node) -> None:
    self.body.append("</details>\n")


def make_summaries(html: str) -> str:
    """Turn the title of each solution into its summary."""
    return TITLE.sub(
        lambda match: (
            f'{match[1]}<summary class="admonition-title">'
            f"{LINK.sub('', match[2])}</summary>"
        ),
        html,
    )


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx_exercise")
    app.add_node(
        solution_node,
        override=True,
        html=(visit_solution, depart_solution),
    )
    app.add_post_transform(FoldChecks)
    change_pages(app, make_summaries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
