"""Sphinx extension: exercises that the page checks, as the notebook does.

    ```{live-exercise-price} 10 5
    What to find out.
    ```

shows a form to answer in, beside the cell of the notebook. The check says
what is wrong, and not what is right. Without scripts, and on paper, the
task is all there is.
"""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

from live_figure import LiveFigureDirective, set_up
from sphinx.application import Sphinx

from unitconv.task.dataset import load_split
from unitconv.task.prompts import CHAT_STYLES

FORM = """{task}
<form hidden>
{fields}
<button type="submit">Check</button>
<button type="button" class="live-cancel" disabled>Cancel</button>
</form>
<p class="live-note">Not checked yet.</p>
"""
TASK = '<p class="live-question"{data}>{text}</p>'
NUMBER = (
    '<label><span class="ask-label">{label}</span>\n'
    '<input name="{name}" type="number" min="0" max="99999" required>'
    "</label>"
)
EXAMPLE = """<label class="ask-wide"><span class="ask-label">Question of the
example</span>
<input name="question" value="{question}" maxlength="200" required
 autocomplete="off"></label>
<label class="ask-wide"><span class="ask-label">Reply of the example</span>
<textarea name="reply" rows="2" maxlength="400"
 required>{reply}</textarea></label>"""


def data(**values: object) -> str:
    """Write what a script has to know as attributes."""
    return "".join(
        f' data-{name}="{escape(str(value))}"'
        for name, value in values.items()
    )


class Exercise(LiveFigureDirective):
    """An exercise whose answer the page checks."""

    def form(self, text: str, fields: list[str], **values: object) -> str:
        task = TASK.format(data=data(**values), text=escape(text))
        return FORM.format(task=task, fields="\n".join(fields))


class Price(Exercise):
    """`{live-exercise-price} M N`: tokens read without a cache, and with.

    The prompt has M tokens and the reply N.
    """

    figure = "exercise-price"
    scripts: ClassVar = ("exercise", "exercise_price")
    loaders: ClassVar = ("live/load.js",)

    def draw(self, argument: str) -> str:
        prompt, reply = map(int, argument.split())
        return self.form(
            f"The prompt has {prompt} tokens and the reply {reply}.",
            [
                NUMBER.format(name=name, label=f"Read {name} the cache")
                for name in ("without", "with")
            ],
            prompt=prompt,
            reply=reply,
        )


class Example(Exercise):
    """`{live-exercise-example} N GOAL`: a worked example that serves.

    With it, GOAL of N questions of `valid` have to be answered.
    """

    figure = "exercise-example"
    scripts: ClassVar = ("exercise", "worked_example", "exercise_example")

    def draw(self, argument: str) -> str:
        n, goal = map(int, argument.split())
        rows = load_split("valid")
        asked = [row.text for row in rows[:: len(rows) // n][:n]]
        [shown], _ = CHAT_STYLES["cot"]
        example = EXAMPLE.format(
            question=escape(shown.question), reply=escape(shown.reply)
        )
        return self.form(
            f"The model has to answer {goal} of {n} questions.",
            [example],
            asked="\n".join(asked),
            goal=goal,
        )


def setup(app: Sphinx) -> Any:
    set_up(app, Price)
    return set_up(app, Example)
