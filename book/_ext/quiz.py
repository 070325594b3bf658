"""Sphinx extension: a question at the end of a chapter that checks itself.

    ```{quiz}
    :right: 2

    What is a token?

    - a word
    - a piece of text with a number

    The vocabulary also has digits and parts of words.
    ```

The options become buttons where scripts run. Otherwise, and on paper, they
are a list, and the answer with its explanation is folded or follows.
"""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SCRIPT = "quiz.js"


class QuizDirective(SphinxDirective):
    """`{quiz}`: a question, its options, the right one, and why."""

    has_content = True
    option_spec: ClassVar = {"right": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        content = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, content)
        options = content.next_node(nodes.bullet_list)
        right = self.options.get("right", 0)
        if options is None or not 1 <= right <= len(options):
            raise self.error("`right` is not the number of an option")
        question, *why = [c for c in content if c is not options]
        question["classes"].append("quiz-question")
        answer = nodes.container(classes=["quiz-answer"])
        answer += nodes.paragraph("", f"Answer: the {_ordinal(right)} one.")
        answer += why
        quiz = nodes.container(classes=["quiz", f"quiz-right-{right}"])
        fold = '<details><summary class="quiz-fold">Answer</summary>'
        quiz += [
            question,
            options,
            nodes.raw("", fold, format="html"),
            answer,
            nodes.raw("", "</details>", format="html"),
        ]
        return [quiz]


def _ordinal(number: int) -> str:
    names = ("first", "second", "third", "fourth", "fifth")
    return names[number - 1]


def add_script(app: Sphinx, *arguments: Any) -> None:
    """Add the script to pages that have a question."""
    doctree: nodes.document | None = arguments[-1]
    if doctree is not None and any(
        "quiz" in node["classes"]
        for node in doctree.findall(nodes.container)
    ):
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("quiz", QuizDirective)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
