"""Figures of rejection sampling: what is kept, and what it teaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from unitconv.figures.intervals import Interval
from unitconv.figures.svg import (
    BLUE,
    COLORS,
    Picture,
    make_axes,
    picture,
    styled,
)


@styled
def success_curves(runs: Mapping[str, Sequence[Interval]]) -> Picture:
    """Questions with a kept completion, by completions drawn.

    Args:
        runs: name -> the share after 1, 2, ... completions a question,
            each with its interval, which is drawn as a band.
    """
    figure, axes = make_axes(height=3.4)
    ends = []
    for (name, points), color in zip(runs.items(), COLORS, strict=False):
        drawn = range(1, len(points) + 1)
        values = [value for value, _ in points]
        lows, highs = zip(*(ends for _, ends in points), strict=True)
        axes.plot(
            drawn, values, "o-", color=color, markersize=4, label=name
        )
        axes.fill_between(drawn, lows, highs, color=color, alpha=0.15)
        ends.append(f"{name} from {values[0]:.2f} to {values[-1]:.2f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(top=1)
    axes.set_xlabel("completions a question")
    axes.set_ylabel("questions with one kept")
    axes.grid()
    axes.legend(loc="lower right")
    return picture(
        figure,
        "Share of questions with a kept completion, from the first "
        f"completion to the last: {'; '.join(ends)}.",
    )


@styled
def fate_bars(
    runs: Mapping[str, Mapping[str, int]], order: Sequence[str]
) -> Picture:
    """What became of all completions: one bar of shares a run.

    Args:
        runs: name -> fate -> how many completions.
        order: the fates from left to right; those that nothing met are
            left out.
    """
    figure, axes = make_axes(height=0.9 + 0.4 * len(runs))
    totals = [sum(run.values()) for run in runs.values()]
    lefts = [0.0] * len(runs)
    for fate, color in zip(order, COLORS, strict=False):
        if not any(run.get(fate) for run in runs.values()):
            continue
        shares = [
            run.get(fate, 0) / total
            for run, total in zip(runs.values(), totals, strict=True)
        ]
        axes.barh(
            range(len(runs)), shares, 0.6, lefts, color=color, label=fate
        )
        lefts = [a + b for a, b in zip(lefts, shares, strict=True)]
    axes.set_yticks(range(len(runs)), list(runs))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of all completions")
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3)
    found = "; ".join(
        f"{name}: "
        + ", ".join(f"{run.get(f, 0) / total:.2f} {f}" for f in order)
        for (name, run), total in zip(runs.items(), totals, strict=True)
    )
    return picture(figure, f"Shares of completions. {found}.")


@styled
def path_counts(counts: Sequence[int]) -> Picture:
    """How many questions have 0, 1, 2, ... distinct kept paths."""
    figure, axes = make_axes(height=2.6)
    sizes = range(max(counts, default=0) + 1)
    heights = [list(counts).count(size) for size in sizes]
    axes.bar(sizes, heights, color=BLUE)
    axes.set_xticks(sizes)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("distinct kept paths")
    axes.set_ylabel("questions")
    found = ", ".join(
        f"{height} with {size}"
        for size, height in zip(sizes, heights, strict=True)
    )
    return picture(
        figure,
        f"Questions by their number of distinct kept paths: {found}.",
    )
