"""Sphinx extension: widgets in which the reader runs the course model.

    ```{ask-model} Convert 1.5 week to years.
    ```

shows a question of the shipped rollouts with its first recorded reply, and
a form to ask that or another question. Without scripts, and on paper, the
record is all there is. Only pages with a widget load its scripts.
"""

from __future__ import annotations

import gzip
import json
from html import escape
from importlib.resources import files
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SCRIPTS = ["live/load.js", "live/grading/load.js", "live/ask.js"]
STYLES = ["live/live.css", "live/grading/marks.css"]
MODELS = {"base": "Base", "sft": "SFT", "rft": "RFT", "rl": "RL"}

FORM = """<figure class="ask-model">
<form hidden>
<label class="ask-wide"><span class="ask-label">Question</span>
<input name="question" value="{question}" maxlength="200" required
 autocomplete="off"></label>
<fieldset><legend>Model</legend>{models}</fieldset>
<label><span class="ask-label">Temperature</span>
<input name="temperature" type="number" value="{temperature}" min="0"
 max="3" step="0.1" required></label>
<label><span class="ask-label">Seed</span>
<input name="seed" type="number" value="{seed}" min="0" max="999999"
 step="1" required></label>
<button>Ask</button>
</form>
<p class="ask-question">{question}</p>
<p class="ask-reply">{reply}</p>
<p class="ask-status visually-hidden" role="status"></p>
<figcaption class="ask-note">Recorded: base model, temperature
{temperature}, seed {seed}. {verdict}.</figcaption>
</figure>
"""
RADIO = (
    '<label><input type="radio" name="model" value="{value}"{checked}> '
    "{name}</label>"
)


def read_rollouts() -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the settings of the shipped rollouts, and the rows by question.

    The first sample of a row is what the same seed gives in the page.
    """
    record = files("unitconv") / "evaluation" / "results"
    packed = (record / "rollouts.jsonl.gz").read_bytes()
    head, *rows = map(json.loads, gzip.decompress(packed).splitlines())
    return head["settings"], {row["question"]: row for row in rows}


def ask_model(question: str) -> str | None:
    """Write the widget for a recorded question; None if there is none."""
    settings, rows = read_rollouts()
    if question not in rows:
        return None
    recorded = rows[question]["rollouts"][0]
    reason = recorded["reason"]  # why it was not chosen for training
    models = [
        RADIO.format(
            value=value,
            name=name,
            checked=" checked" if value == "base" else "",
        )
        for value, name in MODELS.items()
    ]
    return FORM.format(
        question=escape(question),
        reply=escape(recorded["text"]),
        verdict=(reason or "right answer, valid reasoning").capitalize(),
        models="\n".join(models),
        temperature=settings["temperature"],
        seed=settings["seed"],
    )


class AskModelDirective(SphinxDirective):
    """`{ask-model} QUESTION`: a recorded reply, and a form to ask."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        html = ask_model(self.arguments[0])
        if html is None:
            raise self.error("no question of the shipped rollouts")
        return [nodes.raw("", html, format="html", scripts=SCRIPTS)]


def add_scripts(app: Sphinx, *arguments: Any) -> None:
    """Add the scripts of the widgets in a page to that page alone."""
    doctree: nodes.document | None = arguments[-1]
    if doctree is None:
        return
    raw = [*doctree.findall(nodes.raw)]
    scripts = [name for node in raw for name in node.get("scripts", [])]
    styles = [name for node in raw for name in node.get("styles", [])]
    for name in dict.fromkeys(scripts):
        app.add_js_file(name, loading_method="defer")
    for name in dict.fromkeys([*STYLES, *styles] if scripts else []):
        app.add_css_file(name)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("ask-model", AskModelDirective)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
