"""Sphinx extension: what a head of the course model looks at.

    ```{live-attention} How many gram are there per 6 kg?

    The caption.
    ```

shows the question and the model's reply, and how one token of the reply
spreads its attention: of all tokens and heads, the one that looks most at
the first digit of the question. In the browser the reader chooses others.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from live_figure import LiveFigureDirective, set_up
from live_tokens import DIGIT, chip, course, kind, list_lines, show_text
from sphinx.application import Sphinx
from torch import Tensor

from unitconv.inference.llm import LLM
from unitconv.inference.reference import generate_sequential

FIGURE = """<form hidden>
<label class="ask-wide"><span class="ask-label">Question</span>
<input name="question" value="{question}" maxlength="200" required
 autocomplete="off"></label>
<button type="submit">Ask</button>
<label><span class="ask-label">Layer</span>
<select name="layer">{layers}</select></label>
<label><span class="ask-label">Head</span>
<select name="head">{heads}</select></label>
<label class="live-check"><input type="checkbox" name="whole">
Show the whole prompt</label>
</form>
<div class="chips" data-position="{position}">{chips}</div>
<p class="live-note">{note}</p>
"""
NAMED = 4  # tokens that are named in words


@dataclass(frozen=True)
class Look:
    """What a token looks at through one head: a weight for each token."""

    layer: int
    head: int
    weights: list[float]

    @property
    def position(self) -> int:
        return len(self.weights) - 1


def attention_weights(token_ids: list[int]) -> Tensor:
    """Compute all weights, [layers, heads, tokens, tokens]."""
    llm = LLM.from_pretrained("course", device="cpu", dtype="float32")
    llm.model.set_attn_implementation("eager")  # the one that returns them
    with torch.inference_mode():
        out = llm.model(torch.tensor([token_ids]), output_attentions=True)
    return torch.stack(out.attentions)[:, 0]


def strongest_look(weights: Tensor, begin: int, target: int) -> Look:
    """Find the token from `begin` on that looks most at `target`."""
    found = weights[:, :, begin:, target]
    place = torch.unravel_index(found.argmax(), found.shape)
    layer, head, token = (int(index) for index in place)
    position = begin + token
    row = weights[layer, head, position, : position + 1]
    return Look(layer, head, row.tolist())


def question_turn(prompt: list[int]) -> int:
    """Return where the question's turn begins in a prompt."""
    [opening] = course().encode("<|im_start|>")
    return [i for i, token in enumerate(prompt) if token == opening][-2]


def percent(weight: float) -> str:
    return f"{weight:.0%}" if weight >= 0.005 else ""


def draw_chips(token_ids: list[int], look: Look, start: int) -> str:
    """Draw the tokens from `start` on, shaded by their weights."""
    later = [0.0] * (len(token_ids) - len(look.weights))
    boxes = []
    for i, weight in enumerate([*look.weights, *later]):
        chosen = ' aria-current="true"' if i == look.position else ""
        share = percent(weight)
        shade = f' style="--weight:{weight:.2f}"' if share else ""
        boxes.append(chip(token_ids[i], share, shade + chosen))
    return list_lines(token_ids[start:], boxes[start:])


def describe(token_ids: list[int], look: Look, start: int) -> str:
    """Say what a token looks at most."""

    def name(position: int) -> str:
        text = course().tokenizer.decode([token_ids[position]])
        return f"<q>{show_text(text)}</q>"

    shown = range(start, len(look.weights))
    most = sorted(shown, key=lambda i: -look.weights[i])[:NAMED]
    named = ", ".join(
        f"{name(i)} {percent(look.weights[i])}"
        for i in most
        if percent(look.weights[i])
    )
    before = sum(look.weights[:start])
    return (
        f"Layer {look.layer}, head {look.head}: {name(look.position)} "
        f"looks at {named or 'nothing here'}; at what is before the "
        f"question, {before:.0%}."
    )


def options(count: int, chosen: int) -> str:
    return "".join(
        f"<option{' selected' if i == chosen else ''}>{i}</option>"
        for i in range(count)
    )


class AttentionDirective(LiveFigureDirective):
    """`{live-attention} QUESTION`: a look at it, and a form for others."""

    figure = "attention"
    loaders = ("live/load.js",)
    scripts = ("chips", "attention_record", "attention")
    styles = ("chips", "attention")

    def draw(self, argument: str) -> str:
        llm = course()
        prompt = llm.encode(llm.format_prompt(argument))
        reply = generate_sequential(llm.model, prompt, llm.stop)
        ids, start = prompt + reply.token_ids, question_turn(prompt)
        digits = [i for i, token in enumerate(ids) if kind(token) == DIGIT]
        if not any(start < i < len(prompt) for i in digits):
            raise ValueError("attention: the question has no digit")
        digit = next(i for i in digits if i > start)
        weights = attention_weights(ids)
        look = strongest_look(weights, len(prompt), digit)
        return FIGURE.format(
            question=escape(argument),
            layers=options(weights.shape[0], look.layer),
            heads=options(weights.shape[1], look.head),
            position=look.position,
            chips=draw_chips(ids, look, start),
            note=describe(ids, look, start),
        )


def setup(app: Sphinx) -> Any:
    return set_up(app, AttentionDirective)
