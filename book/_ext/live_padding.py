"""Sphinx extension: a batch with padding on the left and on the right.

    ```{live-padding} 2 h in min | What is 5 kg in g?
    What to look at.
    ```

draws the batch of these texts with mask and positions, and what the base
model writes after each row in the batch and alone. Both are computed by the
library while the book is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any

import torch
from live_figure import LiveFigureDirective, set_up
from sphinx.application import Sphinx
from torch import Tensor

from unitconv.inference.llm import LLM
from unitconv.inference.reference import (
    decode_one_token,
    left_pad,
    positions,
    prefill,
)

LIMIT = 24  # tokens that are written, as in padding.js
SIDES = ("left", "right")

FORM = """<form hidden data-padding="{padding}">
{texts}
<label><input name="mask" type="checkbox" checked> Attention mask</label>
<label><input name="positions" type="checkbox" checked> Positions from the
mask</label>
<button type="submit">Write</button>
</form>
<p class="live-note">Rows continued as alone, {note}.</p>
"""
TEXT = """<label class="ask-wide"><span class="ask-label">Text {n}</span>
<input name="text{n}" value="{text}" maxlength="100" required
 autocomplete="off"></label>"""
PANEL = """<div class="live-panel" data-side="{side}">
<p class="live-side">Padded on the {side}</p>
<div class="live-scroll" role="region" tabindex="0"
 aria-label="Batch padded on the {side}">
<table class="live-batch">{rows}</table></div>
<ol>{replies}</ol>
</div>
"""


@cache
def load() -> LLM:
    return LLM.from_pretrained("course", device="cpu", dtype="float32")


def right_pad(
    prompts: Sequence[Sequence[int]], pad_token_id: int
) -> tuple[Tensor, Tensor]:
    """Pad prompts on the right: the mistake that the chapter shows."""
    backwards = [row[::-1] for row in prompts]
    ids, mask = left_pad(backwards, pad_token_id)
    return ids.flip(1), mask.flip(1)


@torch.inference_mode()
def write(llm: LLM, ids: Tensor, mask: Tensor) -> list[str]:
    """Continue all rows greedily from the last column."""
    logits, cache = prefill(llm.model, ids, mask, positions(mask))
    place = mask.sum(-1)
    written: list[list[int]] = [[] for _ in ids]
    for _ in range(LIMIT):
        tokens = logits.argmax(-1)
        for row, token in zip(written, tokens.tolist(), strict=True):
            if not (row and llm.stop(row)):
                row.append(token)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=-1)
        logits = decode_one_token(llm.model, tokens, place, cache, mask)
        place = place + 1
    return [
        llm.tokenizer.decode(row, skip_special_tokens=True)
        for row in written
    ]


def show_token(text: str) -> str:
    """Write a token so that one sees it."""
    return "\u2423" if text == " " else escape(text.replace("\n", "\u21b5"))


def cells(name: str, row: Sequence[object], real: Sequence[int]) -> str:
    written = "".join(
        f"<td>{cell}</td>" if bit else f'<td class="live-pad">{cell}</td>'
        for cell, bit in zip(row, real, strict=True)
    )
    return f'<tr><th scope="row">{name}</th>{written}</tr>'


def row_html(llm: LLM, ids: list[int], real: list[int]) -> str:
    """Write a row of the batch: tokens, mask and positions."""
    tokens = [
        show_token(llm.tokenizer.decode([id])) if bit else "pad"
        for id, bit in zip(ids, real, strict=True)
    ]
    places = positions(torch.tensor([real]))[0].tolist()
    lines = {"token": tokens, "mask": real, "position": places}
    written = "".join(cells(n, line, real) for n, line in lines.items())
    return f"<tbody>{written}</tbody>"


def reply_html(alone: str, batch: str) -> str:
    """Say whether a row is continued as alone, as padding.js does."""
    text = '<span class="live-text">{}</span>'.format
    lone, other = (
        text(escape(" ".join(words.split()))) for words in (alone, batch)
    )
    if alone == batch:
        return f"<li><p>The same as alone: {other}</p></li>"
    return (
        f"<li><p><strong>Not as alone: </strong>{other}</p>"
        f"<p>Alone: {lone}</p></li>"
    )


def padded(texts: list[str]) -> str:
    """Write the form and both batches."""
    llm = load()
    prompts = [llm.encode(text) for text in texts]
    single = [left_pad([ids], llm.pad_token_id) for ids in prompts]
    alone = [write(llm, ids, mask)[0] for ids, mask in single]
    note: list[str] = []
    panels: list[str] = []
    for side, fill in zip(SIDES, (left_pad, right_pad), strict=True):
        ids, mask = fill(prompts, llm.pad_token_id)
        batch = write(llm, ids, mask)
        pairs = list(zip(alone, batch, strict=True))
        same = sum(lone == other for lone, other in pairs)
        note.append(f"{side}: {same} of {len(pairs)}")
        rows = zip(ids.tolist(), mask.tolist(), strict=True)
        panels.append(
            PANEL.format(
                side=side,
                rows="".join(
                    row_html(llm, row, bits) for row, bits in rows
                ),
                replies="".join(
                    reply_html(lone, other) for lone, other in pairs
                ),
            )
        )
    fields = [
        TEXT.format(n=n, text=escape(text))
        for n, text in enumerate(texts, 1)
    ]
    form = FORM.format(
        padding=escape(str(llm.tokenizer.pad_token)),
        texts="\n".join(fields),
        note="; ".join(note),
    )
    return form + "".join(panels)


class PaddingDirective(LiveFigureDirective):
    """`{live-padding} TEXT | TEXT`: a batch, padded on either side."""

    figure = "padding"
    scripts = ("padded_batch", "padding")
    styles = ("padding",)

    def draw(self, argument: str) -> str:
        texts = [text.strip() for text in argument.split("|")]
        if not all(texts):
            raise ValueError("a text is empty")
        return padded(texts)


def setup(app: Sphinx) -> Any:
    return set_up(app, PaddingDirective)
