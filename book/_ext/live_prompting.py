"""Sphinx extension: try another worked example on some questions.

    ```{live-prompting} 20
    What to look at.
    ```

shows what the base replies to that many questions of `valid` with the
prompt's own worked example, evaluated while the book is built. The form
takes another example.
"""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from live_figure import LiveFigureDirective, set_up, show
from sphinx.application import Sphinx

from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.report import Report
from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split
from unitconv.task.prompts import CHAT_STYLES

FORM = """<form hidden>
<label class="ask-wide"><span class="ask-label">Question of the
example</span>
<input name="question" value="{question}" maxlength="200" required
 autocomplete="off"></label>
<label class="ask-wide"><span class="ask-label">Reply of the example</span>
<textarea name="reply" rows="2" maxlength="400"
 required>{reply}</textarea></label>
<button type="submit">Ask {n} questions</button>
<button type="button" class="live-cancel" disabled>Cancel</button>
<button type="reset">Default example</button>
</form>
<p class="live-note">Default example: {answered} of {n} answered, {right}
right.</p>
<p class="live-marks" aria-hidden="true">{marks}</p>
<details><summary>The questions and the replies</summary>
<ol>
{items}
</ol>
</details>
"""
ITEM = (
    '<li data-question="{question}" data-answer="{answer!r}">'
    "<p>{question} ({shown})</p><p>Default, {verdict}: "
    '<span class="live-text">{text}</span></p></li>'
)
MARK = '<span class="live-{kind}">{sign}</span>'
SIGNS = {"right": "\u2713", "no answer": "\u2013"}  # others: a cross


@cache
def report(n: int) -> Report:
    """Evaluate the default example on questions from all over `valid`."""
    llm = LLM.from_pretrained("course", prompt="cot", device="cpu")
    asked = load_split("valid")
    return evaluate(llm, asked[:: len(asked) // n][:n])


def prompting(n: int) -> str:
    """Write the form, and what is measured with the default example."""
    found = report(n)
    [example], _ = CHAT_STYLES["cot"]
    verdicts = [row.failure or "right" for row in found.rows]
    items = [
        ITEM.format(
            question=escape(row.question),
            answer=row.truth,
            shown=show(row.truth),
            verdict=verdict,
            text=escape(" ".join(row.text.split())),
        )
        for row, verdict in zip(found.rows, verdicts, strict=True)
    ]
    marks = [
        MARK.format(
            kind="right" if verdict == "right" else "wrong",
            sign=SIGNS.get(verdict, "\u2717"),
        )
        for verdict in verdicts
    ]
    return FORM.format(
        question=escape(example.question),
        reply=escape(example.reply),
        n=n,
        answered=found.answer_rate.successes,
        right=found.accuracy.successes,
        marks="".join(marks),
        items="\n".join(items),
    )


class PromptingDirective(LiveFigureDirective):
    """`{live-prompting} N`: N questions with the default example."""

    figure = "prompting"
    scripts = ("worked_example", "prompting")
    styles = ("prompting",)

    def draw(self, argument: str) -> str:
        return prompting(int(argument))


def setup(app: Sphinx) -> Any:
    return set_up(app, PromptingDirective)
