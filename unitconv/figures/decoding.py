"""Figures of decoding: sampling, slots, pages, ablation, roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from unitconv.figures.svg import (
    BLUE,
    COLORS,
    FAINT,
    GREY,
    INK,
    ORANGE,
    Look,
    Picture,
    canvas,
    centered,
    first_and_last,
    listing,
    make_axes,
    picture,
    series,
    styled,
)

#: In `slots_over_time`: the row of a slot is done and decoded further.
WAITS = -1


@styled
def next_token(
    tokens: Sequence[str], distributions: Mapping[str, Sequence[float]]
) -> Picture:
    """Draw the probabilities of `tokens`, one panel per setting."""
    size = 6.4, 0.9 + 0.25 * len(tokens)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(distributions), sharey=True)
    places = range(len(tokens))
    panels[0].set_yticks(places, tokens, family="monospace")
    panels[0].invert_yaxis()
    for axes, name in zip(panels, distributions, strict=True):
        axes.barh(places, distributions[name], color=BLUE)
        axes.set(title=name, xlim=(0, 1))
        axes.set_xticks((0, 0.5, 1), ("0", "", "1"))
        axes.grid(axis="x")
    figure.supxlabel("probability", fontsize=10)
    best = [values[0] for values in distributions.values()]
    template = f"{{}}: {tokens[0]!r} has {{:.2f}}"
    settings = listing(template, distributions, best)
    return picture(figure, f"Next-token probabilities. {settings}.")


@styled
def inverse_cdf(
    tokens: Sequence[str], probabilities: Sequence[float], u: float
) -> Picture:
    """Draw tokens as segments of a line of length 1, and the one at `u`."""
    figure, axes = canvas(6.4, 1.5)
    start = 0.0
    for place, (token, p) in enumerate(
        zip(tokens, probabilities, strict=True)
    ):
        hit = start <= u < start + p
        look: Look = {"facecolor": BLUE if hit else "none"}
        axes.barh(0, p, 0.5, left=start, edgecolor=INK, **look)
        above = 0.42 if place % 2 == 0 else 0.72
        centered(axes, start + p / 2, above, token, family="monospace")
        start += p
    axes.annotate(
        f"u = {u:g}",
        (u, -0.25),
        (u, -0.85),
        arrowprops={"arrowstyle": "->", "color": INK},
        ha="center",
    )
    for end in (0, 1):
        centered(axes, end, -0.5, f"{end}")
    axes.set(xlim=(-0.03, 1.03), ylim=(-1.1, 1.0))
    parts = listing("{} {:.2f}", tokens, probabilities)
    return picture(
        figure, f"A line from 0 to 1, cut into {parts}; u is at {u:g}."
    )


@styled
def kept_tokens(
    panels: Mapping[str, Mapping[str, float]],
    top_p: float,
    threshold: float,
) -> Picture:
    """Draw likely tokens, filled if top-p keeps them, and a threshold.

    `panels` maps a title to tokens and their probabilities, likeliest
    first.
    """
    figure = Figure(figsize=(6.4, 2.4), layout="constrained")
    words = []
    for axes, (title, odds) in zip(
        figure.subplots(1, len(panels)), panels.items(), strict=True
    ):
        before = [0.0, *accumulate(odds.values())]
        kept = sum(mass < top_p for mass in before[:-1])
        places = range(len(odds))
        bars = axes.barh(places, odds.values(), edgecolor=BLUE, lw=1.2)
        for place, bar in enumerate(bars):
            bar.set_facecolor(to_rgba(BLUE, 1 if place < kept else 0))
        axes.axvline(threshold, color=ORANGE, linestyle="--")
        axes.set_yticks(places, odds, family="monospace")
        axes.invert_yaxis()
        axes.set(title=title, xlim=(0, 1))
        axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
        above = sum(p >= threshold for p in odds.values())
        words.append(f"{title}: top-p keeps {kept}, a threshold {above}")
    figure.supxlabel("probability", fontsize=10)
    return picture(figure, f"Kept tokens. {'. '.join(words)}.")


@styled
def slots_over_time(
    panels: Mapping[str, Sequence[Sequence[int]]],
) -> Picture:
    """Draw the row that each slot holds at each decoding step.

    `panels` maps a title to one list a step: for each slot the number of
    its row, or `WAITS`. A list may be short: those slots are empty.
    """
    figure = Figure(figsize=(6.8, 2.2 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    slots = max(len(step) for steps in panels.values() for step in steps)
    words = []
    for axes, (title, steps) in zip(grid, panels.items(), strict=True):
        for slot in range(slots):
            _draw_slot(axes, slot, steps)
        axes.set_yticks([0, slots - 1], ["1", str(slots)])
        axes.set(ylim=(slots - 0.5, -0.5), ylabel="slot")
        axes.set_title(title, loc="left")
        rows = [row for step in steps for row in step]
        useful = 1 - rows.count(WAITS) / len(rows)
        words.append(
            f"{title}: {len(steps)} steps, {useful:.0%} of the row-steps "
            "are useful"
        )
    axes.set(xlim=(0, max(map(len, panels.values()))))
    axes.set_xlabel("decoding step")
    return picture(figure, f"{slots} slots over time. {'; '.join(words)}.")


def _draw_slot(
    axes: Axes, slot: int, steps: Sequence[Sequence[int]]
) -> None:
    """Draw a bar for each stretch of steps that a row is in the slot."""
    waiting = {"fill": False, "edgecolor": GREY, "hatch": "////", "lw": 0.5}
    rows = [step[slot] if slot < len(step) else None for step in steps]
    start = 0
    for row, stretch in groupby(rows):
        length = len(list(stretch))
        if row is not None:
            look = waiting if row == WAITS else {"color": COLORS[row % 5]}
            axes.barh(slot, length - 0.3, left=start + 0.15, **look)
        start += length


@styled
def page_table(
    pages: Sequence[Sequence[int]], lengths: Sequence[int], size: int
) -> Picture:
    """Draw each slot's pages of `size` tokens, filled to its length."""
    figure, axes = make_axes(width=6.8, height=0.42 * len(pages) + 0.3)
    for slot, (slot_pages, length) in enumerate(
        zip(pages, lengths, strict=True)
    ):
        rows, lefts = [slot] * len(slot_pages), range(len(slot_pages))
        full = [min(length / size - left, 1) for left in lefts]
        fill = to_rgba(COLORS[slot], FAINT)
        axes.barh(rows, full, left=lefts, color=fill)
        bars = axes.barh(rows, 1, left=lefts, fill=False, ec=GREY)
        axes.bar_label(bars, slot_pages, label_type="center")
    names = [f"slot {slot}" for slot in range(len(pages))]
    axes.set_yticks(range(len(pages)), names)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    numbers = [", ".join(map(str, slot_pages)) for slot_pages in pages]
    slots = listing("{}, {} tokens: {}", names, lengths, numbers)
    return picture(figure, f"Pages of {size} tokens. {slots}.")


@styled
def slots_shared(rows: Sequence[int], slots: Sequence[int]) -> Picture:
    """Draw how many rows are being written, and in how many slots."""
    figure, axes = make_axes(height=3.2)
    steps = range(1, len(rows) + 1)
    axes.fill_between(steps, slots, rows, color=ORANGE, alpha=0.25, lw=0)
    axes.plot(steps, rows, color=ORANGE, label="replies being written")
    axes.plot(
        steps, slots, "--", color=BLUE, label="different texts: slots"
    )
    axes.set(xlim=(1, len(rows)), xlabel="decoding step")
    axes.set_ylim(0, None)
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
def ablation_bars(
    names: Sequence[str],
    seconds: Sequence[float],
    gains: Sequence[tuple[float, float, float] | None],
) -> Picture:
    """Draw CPU seconds of each step, and its gain on the step before it.

    A gain is the median, lowest and highest factor; the first has none.
    """
    figure, axes = make_axes(height=0.5 * len(names) + 0.6)
    colors = [ORANGE] + [BLUE] * (len(names) - 1)
    bars = axes.barh(range(len(names)), seconds, height=0.62, color=colors)
    labels = [f"{value:.3g} s" for value in seconds]
    for row, gain in enumerate(gains):
        if gain is not None:
            factor, low, high = gain
            labels[row] += f", {factor:.2f}× ({low:.2f}\u2013{high:.2f})"
    axes.bar_label(bars, labels, padding=5)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.5 * max(seconds)), xlabel="CPU seconds")
    rows = listing("{} {}", names, labels)
    return picture(figure, f"Bars of CPU seconds: {rows}.")


@styled
def roofline(
    slots: Sequence[int],
    speeds: Mapping[str, Sequence[float]],
    roof: Sequence[float],
) -> Picture:
    """Draw tokens a second by number of slots, and the machine's limit."""
    figure, axes = make_axes(height=3.6)
    axes.plot(slots, roof, "--", color=GREY, label="roofline")
    for place, (name, values) in enumerate(speeds.items()):
        axes.plot(slots, values, label=name, **series(name, place))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.minorticks_off()
    axes.set_xticks(slots, [str(n) for n in slots])
    axes.set(xlabel="slots", ylabel="tokens per second")
    axes.grid()
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.18), ncols=3)
    curves = {**speeds, "roofline": roof}
    ends = first_and_last(curves, "{} {:,.0f} to {:,.0f}")
    return picture(
        figure,
        f"Tokens per second with {slots[0]} to {slots[-1]} slots: {ends}.",
    )


@styled
def throughput(
    batch_sizes: Sequence[int], tokens_per_second: Sequence[float]
) -> Picture:
    """Plot decoding speed against the batch size, both on log scales.

    A dashed line shows a speed that grows with the number of rows.
    """
    figure, axes = make_axes()
    ideal = [tokens_per_second[0] * n / batch_sizes[0] for n in batch_sizes]
    axes.plot(batch_sizes, ideal, "--", color=GREY, label="ideal")
    axes.plot(
        batch_sizes, tokens_per_second, "o-", color=BLUE, label="measured"
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=10)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.minorticks_off()
    axes.set_xticks(batch_sizes, [str(size) for size in batch_sizes])
    axes.set(xlabel="rows in the batch", ylabel="tokens per second")
    axes.grid()
    axes.legend(loc="upper left")
    points = listing(
        "{:.0f} at {}", tokens_per_second, batch_sizes, separator=", "
    )
    return picture(figure, f"Tokens per second by batch size: {points}.")
