"""Sphinx extension: sample replies to a question, and select among them.

    ```{live-rollouts} pints in 461 gallon?
    What to look at.
    ```

shows some of the ten recorded replies to a training question, and a form to
sample more. The selection is that of `unitconv.training`.
"""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from live_figure import LiveFigureDirective, set_up, show
from live_widgets import read_rollouts
from sphinx.application import Sphinx

from unitconv.evaluation.reasoning_path import path_key
from unitconv.training.config import MAX_PATHS

FORM = """<form hidden>
<label class="ask-wide"><span class="ask-label">Question</span>
<input name="question" value="{question}" maxlength="200" required
 autocomplete="off"></label>
<label><span class="ask-label">Temperature
<span class="live-value">{temperature}</span></span>
<input name="temperature" type="range" value="{temperature}" min="0"
 max="2" step="0.1"></label>
<label><span class="ask-label">Replies
<span class="live-value">{replies}</span></span>
<input name="replies" type="range" value="{replies}" min="1"
 max="20"></label>
<label><span class="ask-label">Seed</span>
<input name="seed" type="number" value="{seed}" min="0" max="999999"
 required></label>
<button type="submit">Sample</button>
<button type="button" class="live-cancel" disabled>Cancel</button>
</form>
<p class="live-question">{question} ({answer})</p>
<p class="live-note">Recorded: {replies} replies, {kept} kept, {chosen}
trained on. Some of them:</p>
<ol class="live-replies">
{items}
</ol>
"""
ITEM = (
    '<li value="{number}"><p class="live-text">{text}</p>'
    '<p class="live-verdict{kept}">{verdict}</p></li>'
)
SHOWN = 4  # of the recorded replies: pages have a limit


@cache
def recorded() -> tuple[dict[str, Any], dict[str, Any]]:
    return read_rollouts()


def verdicts(replies: list[dict[str, Any]]) -> list[str]:
    """Say what becomes of each reply, in the words of rollouts.js."""
    chosen: dict[tuple[str, ...], int] = {}
    found = []
    for number, reply in enumerate(replies, 1):
        path = path_key(reply["text"])
        if reply["reason"]:
            found.append(f"Rejected: {reply['reason']}.")
        elif path in chosen:
            found.append(
                "Kept, not trained on: the equations of reply "
                f"{chosen[path]}."
            )
        elif len(chosen) < MAX_PATHS:
            chosen[path] = number
            found.append("Kept and trained on.")
        else:
            found.append(
                "Kept, not trained on: there are enough ways already."
            )
    return found


def different(found: list[str]) -> list[int]:
    """Pick replies with different verdicts, those that were kept first."""
    first = {text: n for n, text in reversed([*enumerate(found)])}
    kept_first = sorted(first.values(), key=lambda n: (found[n][0], n))
    return sorted(kept_first[:SHOWN])


def rollouts(question: str) -> str:
    """Write the form, and what is recorded of a question."""
    settings, rows = recorded()
    if question not in rows:
        raise ValueError("no question of the shipped rollouts")
    row = rows[question]
    found = verdicts(row["rollouts"])
    items = [
        ITEM.format(
            number=n + 1,
            text=escape(row["rollouts"][n]["text"]),
            verdict=found[n],
            kept=" live-kept" if found[n].startswith("Kept") else "",
        )
        for n in different(found)
    ]
    return FORM.format(
        question=escape(question),
        answer=show(row["answer"]),
        replies=len(found),
        kept=sum(text.startswith("Kept") for text in found),
        chosen=found.count("Kept and trained on."),
        items="\n".join(items),
        temperature=settings["temperature"],
        seed=settings["seed"],
    )


class RolloutsDirective(LiveFigureDirective):
    """`{live-rollouts} QUESTION`: replies, and which are trained on."""

    figure = "rollouts"
    scripts = ("rollouts",)

    def draw(self, argument: str) -> str:
        return rollouts(argument)


def setup(app: Sphinx) -> Any:
    return set_up(app, RolloutsDirective)
