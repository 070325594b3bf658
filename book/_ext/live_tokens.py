"""Sphinx extension: a text cut into the course model's tokens.

    ```{live-tokens} How many gram are there per 6 kg?
    The caption.
    ```

shows the tokens of a text as a turn of a chat, with their ids. In the
browser the reader types another text, and chooses what is written around.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import escape
from itertools import islice
from typing import Any

from live_figure import LiveFigureDirective, set_up
from sphinx.application import Sphinx

from unitconv.inference.llm import LLM
from unitconv.task.prompts import format_prompt

STYLES = {
    "raw": "the text alone",
    "chat": "a turn of a chat",
    "cot": "a turn after an example",
}
SHOWN = "chat"
DIGIT, SPECIAL = "digit", "special"  # kinds of tokens
# What is not seen: how it is shown, and how it is read out.
MARKS = {
    " ": ("\u00b7", "space"),
    "\n": ("\u21b5", "line break"),
    "\t": ("\u21e5", "tab"),
}
MARK = '<span role="img" aria-label="{1}">{0}</span>'
FORM = """<form hidden>
<label class="ask-wide"><span class="ask-label">Text</span>
<input name="text" value="{text}" maxlength="200" autocomplete="off">
</label>
<fieldset><legend>The model reads</legend>{styles}</fieldset>
</form>
"""
RADIO = (
    '<label><input type="radio" name="style" value="{value}"{checked}> '
    "{name}</label>"
)


@cache
def course() -> LLM:
    """Load the course model, once for all figures."""
    return LLM.from_pretrained("course", device="cpu", dtype="float32")


def show_text(text: str) -> str:
    """Write a token's text with marks for what is not seen."""
    return re.sub(
        "[ \n\t]", lambda match: MARK.format(*MARKS[match[0]]), escape(text)
    )


def lines(token_ids: Sequence[int]) -> Iterator[list[int]]:
    """Split tokens after line breaks."""
    line = []
    for token in token_ids:
        line.append(token)
        if "\n" in course().tokenizer.decode([token]):
            yield line
            line = []
    if line:
        yield line


def kind(token: int) -> str:
    """Return the kind of a token, "" for most."""
    if token in course().tokenizer.all_special_ids:
        return SPECIAL
    text = course().tokenizer.decode([token])
    return DIGIT if re.fullmatch("[0-9]", text) else ""


def chip(token: int, note: str, attributes: str = "") -> str:
    """Draw a token's box, with a note below its text."""
    text = show_text(course().tokenizer.decode([token]))
    classes = " ".join(filter(None, ["chip", kind(token)]))
    below = f"<small>{note}</small>" if note else ""
    return (
        f'<li class="{classes}"{attributes}><span>{text}</span>{below}</li>'
    )


def list_lines(token_ids: Sequence[int], boxes: Iterable[str]) -> str:
    """Put the boxes of tokens into a list for each line of the text."""
    following = iter(boxes)
    return "".join(
        f'<ol role="list">{"".join(islice(following, len(line)))}</ol>'
        for line in lines(token_ids)
    )


def count(token_ids: Sequence[int]) -> str:
    """Say how many tokens there are, and how many of which kind."""
    kinds = [kind(token) for token in token_ids]
    return (
        f"{len(token_ids)} tokens; digits: {kinds.count(DIGIT)}; "
        f"special: {kinds.count(SPECIAL)}."
    )


class TokensDirective(LiveFigureDirective):
    """`{live-tokens} TEXT`: its tokens, and a field for another text."""

    figure = "tokens"
    loaders = ("live/load.js",)
    scripts = ("chips", "tokens")
    styles = ("chips",)

    def draw(self, argument: str) -> str:
        llm = course()
        ids = llm.encode(format_prompt(argument, SHOWN, llm.tokenizer))
        radios = [
            RADIO.format(
                value=value,
                name=name,
                checked=" checked" if value == SHOWN else "",
            )
            for value, name in STYLES.items()
        ]
        form = FORM.format(text=escape(argument), styles="\n".join(radios))
        chips = list_lines(ids, [chip(token, str(token)) for token in ids])
        return (
            f'{form}<div class="chips">{chips}</div>\n'
            f'<p class="live-note">{count(ids)}</p>\n'
        )


def setup(app: Sphinx) -> Any:
    return set_up(app, TokensDirective)
