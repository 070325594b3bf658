"""Sphinx extension: replies in slots, with refill and without.

    ```{live-slots} 4
    What to look at.
    ```

decodes questions of `valid` in that many slots while the book is built, by
the engine and in padded batches, and draws which reply had which slot in
each step. The form takes other lengths and another number of slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from live_figure import LiveFigureDirective, set_up
from sphinx.application import Sphinx

from unitconv.inference.engine import EngineOptions, ForwardPass
from unitconv.inference.generate import generate
from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split

N_REPLIES = 16
MOST_SLOTS = 16

FORM = """<form hidden>
<label class="ask-wide"><span class="ask-label">Tokens of each
reply</span>
<input name="lengths" value="{lengths}" required autocomplete="off"></label>
<label><span class="ask-label">Slots
<span class="live-value">{slots}</span></span>
<input name="slots" type="range" value="{slots}" min="1"
 max="{most}"></label>
<label><span class="ask-label">Step
<span class="live-value">{last}</span></span>
<input name="step" type="range" value="{last}" min="0"
 max="{last}"></label>
<button type="button" class="live-next">Next step</button>
<button type="submit">Play</button>
</form>
"""
PANEL = """<div class="live-panel" data-refill="{refill}">
<p class="live-note">{title}: {counts}</p>
<svg role="img" aria-label="{label}" width="100%" height="{height}">
{bars}</svg>
</div>
"""
ROW = 22  # pixels
NARROW = 0.05  # of the width: a bar without its number
TITLES = {False: "Without refill", True: "With refill"}


@dataclass(frozen=True)
class Stay:
    """A row's stay in a slot, from step to step."""

    slot: int
    reply: int
    waits: bool  #: done, until the others of its batch are
    start: int
    end: int


#: For each step the reply of each slot, and whether it only waits.
Steps = list[list[tuple[int, bool]]]


@cache
def decode(slots: int) -> tuple[list[int], Steps, Steps]:
    """Decode questions; return lengths, steps in batches, and refilled."""
    llm = LLM.from_pretrained("course", device="cpu", dtype="float32")
    texts = [question.text for question in load_split("valid")[:N_REPLIES]]
    prompts = [llm.encode(llm.format_prompt(text)) for text in texts]
    prompts.sort(key=len)  # as the engine does
    passes: list[ForwardPass] = []
    options = EngineOptions(slots=slots, observe=passes.append)
    done = generate(llm.model, prompts, llm.stop, options=options)
    lengths = [len(row[0].token_ids) for row in done]
    refilled = [
        [(prompt, False) for prompt in each.prompts]
        for each in passes
        if each.kind == "decode"
    ]
    return lengths, in_batches(lengths, slots), refilled


def in_batches(lengths: list[int], slots: int) -> Steps:
    """List the steps of padded batches, as chapter 6 does."""
    steps: Steps = []
    for first in range(0, len(lengths), slots):
        batch = lengths[first : first + slots]
        steps += [
            [(first + i, step >= n) for i, n in enumerate(batch)]
            for step in range(1, max(batch))
        ]
    return steps


def stays(steps: Steps, slots: int) -> list[Stay]:
    """Merge equal steps of a slot that follow each other."""
    found = []
    for slot in range(slots):
        row = [step[slot] if slot < len(step) else None for step in steps]
        start = 0
        for cell, same in groupby(row):
            end = start + len(list(same))
            if cell is not None:
                reply, waits = cell
                found.append(Stay(slot, reply, waits, start, end))
            start = end
    return found


def counts(steps: Steps, slots: int) -> str:
    """Count steps and idle slot-steps, in the words of slots.js."""
    useful = sum(not waits for step in steps for _, waits in step)
    room = len(steps) * slots
    idle = room - useful
    percent = (200 * idle + room) // (2 * room)  # .5 goes up, as there
    return (
        f"{len(steps)} steps; {idle} of {room} slot-steps idle "
        f"({percent} %)."
    )


def bar(stay: Stay, width: int) -> str:
    """Draw a stay; `width` is the number of steps in the whole picture."""
    x, y = 100 * stay.start / width, stay.slot * ROW
    kind = "waits" if stay.waits else f"bar-{stay.reply % 2}"
    rectangle = (
        f'<rect class="live-{kind}" x="{x:.2f}%" y="{y + 1}" '
        f'width="{100 * (stay.end - stay.start) / width:.2f}%" '
        f'height="{ROW - 2}"/>'
    )
    if stay.waits or (stay.end - stay.start) < NARROW * width:
        return rectangle + "\n"
    place = f'x="{x:.2f}%" dx="4" y="{y + 16}"'
    return f"{rectangle}<text {place}>{stay.reply + 1}</text>\n"


def panel(refill: bool, steps: Steps, slots: int, width: int) -> str:
    return PANEL.format(
        refill=str(refill).lower(),
        title=TITLES[refill],
        counts=counts(steps, slots),
        label=f"Bars of replies in {slots} slots over {len(steps)} steps",
        height=slots * ROW,
        bars="".join(bar(stay, width) for stay in stays(steps, slots)),
    )


class SlotsDirective(LiveFigureDirective):
    """`{live-slots} N`: replies in N slots, with and without refill."""

    figure = "slots"
    scripts = ("schedule", "slots")
    styles = ("slots",)

    def draw(self, argument: str) -> str:
        slots = int(argument)
        if not 0 < slots <= MOST_SLOTS:
            raise ValueError(f"slots: between 1 and {MOST_SLOTS}")
        lengths, batches, refilled = decode(slots)
        width = len(batches)
        form = FORM.format(
            lengths=" ".join(map(str, lengths)),
            slots=slots,
            most=MOST_SLOTS,
            last=width,
        )
        return (
            form
            + panel(False, batches, slots, width)
            + panel(True, refilled, slots, width)
        )


def setup(app: Sphinx) -> Any:
    return set_up(app, SlotsDirective)
