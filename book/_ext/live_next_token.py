"""Sphinx extension: the odds of the next token, and how one is drawn.

    ```{live-next-token} How many gram are there per 6 kg?

    The caption.
    ```

shows the least certain step of a sampled reply: the likeliest tokens with
their probabilities, and the cumulative distribution with the noise that
picks one. In the browser the reader goes through the reply step by step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

import torch
from live_figure import LiveFigureDirective, set_up
from live_tokens import course, show_text
from sphinx.application import Sphinx

from unitconv.inference.reference import Decoding, generate_sequential
from unitconv.inference.sampling import (
    row_key,
    sample,
    token_probabilities,
    uniform,
)

SETTINGS = Decoding(temperature=1.0, top_p=1.0, seed=0)
ROWS = 8  # tokens that have a row of their own

FIGURE = """<form hidden>
<label class="ask-wide"><span class="ask-label">Question</span>
<input name="question" value="{question}" maxlength="200" required
 autocomplete="off"></label>
<label><span class="ask-label">Temperature
<span class="live-value" aria-hidden="true">1</span></span>
<input name="temperature" type="range" value="1" min="0.1" max="3"
 step="0.1"></label>
<label><span class="ask-label">Top-p
<span class="live-value" aria-hidden="true">1</span></span>
<input name="topP" type="range" value="1" min="0.05" max="1" step="0.05">
</label>
<label><span class="ask-label">Seed</span>
<input name="seed" type="number" value="0" min="0" max="999999" step="1"
 required></label>
<div class="ask-wide live-buttons">
<button type="submit" name="next">Next token</button>
<button type="button" name="back">Back</button>
<button type="button" name="end">To the end</button>
<button type="button" name="restart">Start again</button>
<button type="button" name="sample">Sample 20</button>
</div>
</form>
<p class="live-question">{question}</p>
<p class="live-reply" data-ids="{ids}"><span class="ask-label">Reply so
far</span> <span class="live-written">{written}</span><mark>{drawn}</mark>
</p>
<div class="cdf" aria-hidden="true">{line}</div>
<table class="live-numbers">
<thead><tr><th scope="col">Next token</th>
<th scope="col">Probability</th><th scope="col">Stretch</th>
<th scope="col" class="tally" hidden>Of 20</th></tr></thead>
<tbody>{rows}</tbody>
</table>
<p class="live-note">{note}</p>
"""
SEGMENT = '<i style="--from:{0:.4f};--to:{1:.4f}">{2}</i>'
ROW = (
    '<tr{0}><th scope="row">{1}</th><td class="odds" '
    'style="--share:{2:.4f}">{2:.3f}</td><td>{3}</td></tr>'
)


class Step:
    """A step of a reply: probabilities, noise, and the token drawn."""

    def __init__(self, prompt: list[int], written: list[int]) -> None:
        row = torch.tensor([prompt + written])
        with torch.inference_mode():
            self.logits = course().model(row).logits[0, -1:]
        key = torch.tensor([row_key(SETTINGS.seed, prompt, sample=0)])
        self.noise = uniform(key, len(written))
        temperature, top_p = SETTINGS.temperature, SETTINGS.top_p
        odds = token_probabilities(self.logits, temperature, top_p)[0]
        self.probabilities = odds.tolist()
        self.ends = odds.cumsum(dim=-1).tolist()
        self.drawn = int(
            sample(self.logits, temperature, top_p, self.noise)
        )
        likeliest = odds.sort(descending=True, stable=True).indices[:ROWS]
        self.shown = likeliest.tolist()
        if self.drawn not in self.shown:
            self.shown.append(self.drawn)

    def stretch(self, token: int) -> tuple[float, float]:
        """Return a token's part of the cumulative distribution."""
        return (self.ends[token - 1] if token else 0.0), self.ends[token]


def least_certain(prompt: list[int]) -> list[int]:
    """Return a sampled reply up to the step of the highest entropy."""
    llm = course()
    reply = generate_sequential(llm.model, prompt, llm.stop, SETTINGS)
    row = torch.tensor([prompt + reply.token_ids])
    with torch.inference_mode():
        steps = llm.model(row).logits[0, len(prompt) - 1 : -1]
    entropy = torch.distributions.Categorical(logits=steps).entropy()
    return reply.token_ids[: int(entropy.argmax())]


def name(token: int) -> str:
    return show_text(course().tokenizer.decode([token]))


def segments(step: Step) -> str:
    """Draw the cumulative distribution, with the noise on it."""
    line = [
        SEGMENT.format(*step.stretch(token), name(token))
        for token in step.shown
    ]
    at = f"--at:{float(step.noise):.4f}"
    return "".join(line) + f'<b style="{at}"><span>u</span></b>'


def rows(step: Step) -> Iterator[str]:
    """Write a row for each likely token, and one for all others."""
    for token in step.shown:
        start, end = step.stretch(token)
        drawn = ' class="drawn"' if token == step.drawn else ""
        stretch = f"{start:.3f}\u2013{end:.3f}"
        odds = step.probabilities[token]
        yield ROW.format(drawn, name(token), odds, stretch)
    rest = 1 - sum(step.probabilities[token] for token in step.shown)
    others = f"{len(step.probabilities) - len(step.shown)} others"
    yield ROW.format("", others, max(rest, 0.0), "elsewhere")


def describe(step: Step, number: int) -> str:
    """Say which token the noise picks."""
    start, end = step.stretch(step.drawn)
    return (
        f"Token {number}: u = {float(step.noise):.3f} falls between "
        f"{start:.3f} and {end:.3f}, the stretch of "
        f"<q>{name(step.drawn)}</q>."
    )


class NextTokenDirective(LiveFigureDirective):
    """`{live-next-token} QUESTION`: a step of a reply, and a form."""

    figure = "next-token"
    loaders = ("live/load.js",)
    scripts = ("chips", "reply_steps", "next_token")
    styles = ("table", "next_token")

    def draw(self, argument: str) -> str:
        llm = course()
        prompt = llm.encode(llm.format_prompt(argument))
        written = least_certain(prompt)
        step = Step(prompt, written)
        return FIGURE.format(
            question=escape(argument),
            ids=json.dumps(written),
            written=escape(llm.tokenizer.decode(written)),
            drawn=name(step.drawn),
            line=segments(step),
            rows="".join(rows(step)),
            note=describe(step, len(written) + 1),
        )


def setup(app: Sphinx) -> Any:
    return set_up(app, NextTokenDirective)
