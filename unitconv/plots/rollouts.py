"""Figures of rejection sampling: what is kept, and what it teaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from .picture import BLUE, COLORS, Picture, make_axes, picture, styled

# One value and its 95 % interval.
Interval = tuple[float, tuple[float, float]]


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
def grouped_intervals(
    groups: Mapping[str, Mapping[str, Interval]], xlabel: str
) -> Picture:
    """Several runs side by side: for each name a dot of every run.

    Args:
        groups: run -> name -> value and interval; the names of the first
            run are the rows, from top to bottom.
    """
    names = list(next(iter(groups.values())))
    figure, axes = make_axes(
        height=0.8 + (0.2 + 0.16 * len(groups)) * len(names)
    )
    step = 0.6 / len(groups)
    for index, ((run, points), color) in enumerate(
        zip(groups.items(), COLORS, strict=False)
    ):
        shift = (index - (len(groups) - 1) / 2) * step
        values = [points[name][0] for name in names]
        ranges = [points[name][1] for name in names]
        pairs = list(zip(values, ranges, strict=True))
        axes.errorbar(
            values,
            [row + shift for row in range(len(names))],
            xerr=[
                [value - low for value, (low, _) in pairs],
                [high - value for value, (_, high) in pairs],
            ],
            fmt="o",
            markersize=5,
            color=color,
            capsize=3,
            label=run,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    if len(groups) > 1:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=len(groups)
        )
    found = "; ".join(
        f"{name} "
        + ", ".join(
            f"{points[name][0]:.2f}" + (f" ({run})" if run else "")
            for run, points in groups.items()
        )
        for name in names
    )
    return picture(
        figure, f"{xlabel[:1].upper()}{xlabel[1:]}, by row: {found}."
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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
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
