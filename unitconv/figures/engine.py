"""Figures of the fast decoder: slots, the ladder, the roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from unitconv.figures.svg import (
    BLUE,
    COLORS,
    GREEN,
    GREY,
    ORANGE,
    Picture,
    make_axes,
    picture,
    styled,
)

WAITS = -1
"""In `slots_over_time`: a slot whose row is done and that is decoded on."""


@styled
def slots_over_time(
    panels: Mapping[str, Sequence[Sequence[int]]],
) -> Picture:
    """Who sits in which slot at each decoding step, one panel per decoder.

    A bar is a row's stay in a slot; hatched, it is done and waits.

    Args:
        panels: title -> one list a step: for each slot the number of its
            row, or `WAITS`. A list may be short: those slots are empty.
    """
    figure = Figure(figsize=(6.8, 2.2 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)
    slots = max(len(step) for steps in panels.values() for step in steps)
    for axes, (title, steps) in zip(
        grid[:, 0], panels.items(), strict=True
    ):
        for slot in range(slots):
            _slot(axes, slot, steps)
        axes.set_ylim(slots, 0)
        axes.set_yticks([0.5, slots - 0.5], ["1", str(slots)])
        axes.set_ylabel("slot")
        axes.set_title(title, loc="left")
    axes.set_xlim(0, max(map(len, panels.values())))
    axes.set_xlabel("decoding step")
    told = "; ".join(
        f"{title}: {len(steps)} steps, {_useful(steps):.0%} of the "
        "row-steps are useful"
        for title, steps in panels.items()
    )
    return picture(figure, f"{slots} slots over time. {told}.")


def _useful(steps: Sequence[Sequence[int]]) -> float:
    rows = [row for step in steps for row in step]
    return 1 - rows.count(WAITS) / len(rows)


def _slot(axes: Axes, slot: int, steps: Sequence[Sequence[int]]) -> None:
    """One bar for each stretch of steps that a row spends in the slot."""
    sits = [step[slot] if slot < len(step) else None for step in steps]
    start = 0
    for row, stretch in groupby(sits):
        length = len(list(stretch))
        if row is not None:
            waits = row == WAITS
            axes.add_patch(
                mpl.patches.Rectangle(
                    (start + 0.15, slot + 0.08),
                    length - 0.3,
                    0.84,
                    facecolor="none" if waits else COLORS[row % 5],
                    edgecolor=GREY if waits else "none",
                    hatch="////" if waits else None,
                    linewidth=0.5,
                )
            )
        start += length


@styled
def pages_of_slots(
    pages: Sequence[Sequence[int]], lengths: Sequence[int], size: int
) -> Picture:
    """Which pages slots have, and where in memory these lie.

    Args:
        pages: of each slot, by number and in order.
        lengths: tokens of each slot.
        size: tokens of a page.
    """
    owners = {
        page: slot for slot, some in enumerate(pages) for page in some
    }
    figure = Figure(figsize=(6.8, 0.42 * len(pages) + 1.5))
    figure.set_layout_engine("constrained")
    there, memory = figure.subplots(2, 1, height_ratios=(len(pages), 1.2))
    for slot, some in enumerate(pages):
        color = COLORS[slot % 5]
        for number, page in enumerate(some):
            full = min(lengths[slot] / size - number, 1)
            _page(there, (number, slot), full, color, str(page))
    there.set_xlim(0, max(map(len, pages)) + 0.2)
    there.set_ylim(len(pages), 0)
    there.set_yticks(
        [slot + 0.5 for slot in range(len(pages))],
        [f"slot {slot}" for slot in range(len(pages))],
    )
    for page in range(1, max(owners) + 1):
        owner = owners.get(page)
        color = "none" if owner is None else COLORS[owner % 5]
        _page(memory, (page, 0), 1, color, str(page))
    memory.set_xlim(1, max(owners) + 1.2)
    memory.set_ylim(1, 0)
    memory.set_yticks([0.5], ["memory"])
    for axes in (there, memory):
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    told = "; ".join(
        f"slot {slot}, {lengths[slot]} tokens: {', '.join(map(str, some))}"
        for slot, some in enumerate(pages)
    )
    return picture(figure, f"Pages of {size} tokens. {told}.")


def _page(
    axes: Axes, at: tuple[float, float], full: float, color: str, name: str
) -> None:
    """A box that is filled as far as there are tokens."""
    x, y = at[0] + 0.04, at[1] + 0.1
    box = mpl.patches.Rectangle
    axes.add_patch(box((x, y), 0.92 * full, 0.8, fc=color, ec="none"))
    axes.add_patch(box((x, y), 0.92, 0.8, fc="none", ec=GREY))
    axes.text(x + 0.46, y + 0.4, name, ha="center", va="center")


@styled
def slots_shared(rows: Sequence[int], slots: Sequence[int]) -> Picture:
    """Rows that are being written, and the slots they take, by step.

    Args:
        rows: at each decoding step, those that read a token.
        slots: at each step, the different texts among them.
    """
    figure, axes = make_axes(height=3.2)
    steps = range(1, len(rows) + 1)
    axes.fill_between(steps, slots, rows, color=ORANGE, alpha=0.25, lw=0)
    axes.plot(steps, rows, color=ORANGE, label="replies being written")
    axes.plot(steps, slots, color=BLUE, label="different texts: slots")
    axes.set_xlim(1, len(rows))
    axes.set_ylim(0, None)
    axes.set_xlabel("decoding step")
    axes.grid()
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.18), ncols=2)
    saved = 1 - sum(slots) / sum(rows)
    return picture(
        figure,
        f"Over {len(rows)} decoding steps: up to {max(rows)} replies are "
        f"being written, in up to {max(slots)} slots. Sharing saves "
        f"{saved:.0%} of the tokens.",
    )


@styled
def ladder_bars(
    names: Sequence[str],
    seconds: Sequence[float],
    gains: Sequence[float | None],
) -> Picture:
    """Seconds of each step, from the top down, and its gain on the last.

    Args:
        gains: factor of each step over the one before; None for the first.
    """
    figure, axes = make_axes(height=0.5 * len(names) + 0.6)
    axes.barh(
        range(len(names)),
        seconds,
        height=0.62,
        color=[ORANGE] + [BLUE] * (len(names) - 1),
    )
    for row, (value, gain) in enumerate(zip(seconds, gains, strict=True)):
        faster = "" if gain is None else f", {gain:.2f}\u00d7"
        axes.annotate(
            f"{value:.3g} s{faster}",
            (value, row),
            (5, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * max(seconds))
    axes.set_xlabel("CPU seconds")
    told = "; ".join(
        f"{name} {value:.3g} s"
        + ("" if gain is None else f", {gain:.2f} times as fast")
        for name, value, gain in zip(names, seconds, gains, strict=True)
    )
    return picture(figure, f"Bars of CPU seconds: {told}.")


@styled
def roofline(
    slots: Sequence[int],
    speeds: Mapping[str, Sequence[float]],
    roof: Sequence[float],
) -> Picture:
    """Tokens a second over the number of slots, under the ceiling.

    Args:
        speeds: decoder -> its tokens a second at each of `slots`.
        roof: what the machine could do at each of `slots`.
    """
    figure, axes = make_axes(height=3.6)
    axes.plot(slots, roof, "--", color=GREY, label="roofline")
    for (name, values), color in zip(
        speeds.items(), (BLUE, ORANGE, GREEN), strict=False
    ):
        axes.plot(slots, values, "o-", color=color, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.minorticks_off()
    axes.set_xticks(slots, [str(n) for n in slots])
    axes.set_xlabel("slots")
    axes.set_ylabel("tokens per second")
    axes.grid()
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.18), ncols=3)
    lines = {**speeds, "the roofline": roof}
    told = "; ".join(
        f"{name} from {values[0]:,.0f} at {slots[0]} to {values[-1]:,.0f} "
        f"at {slots[-1]}"
        for name, values in lines.items()
    )
    return picture(figure, f"Tokens per second by slots: {told}.")
