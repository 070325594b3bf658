"""Figures of shares and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unitconv.figures.svg import (
    BLUE,
    COLORS,
    Picture,
    make_rows,
    picture,
    styled,
)

# One value and its 95 % interval.
Interval = tuple[float, tuple[float, float]]


@styled
def intervals(
    names: Sequence[str],
    values: Sequence[float],
    ranges: Sequence[tuple[float, float]],
    xlabel: str,
    alt: str,
) -> Picture:
    """One dot with its 95 % interval per name, from top to bottom."""
    figure, axes = make_rows(names, 0.6 + 0.32 * len(names))
    rows = range(len(names))
    lows = [v - low for v, (low, _) in zip(values, ranges, strict=True)]
    highs = [high - v for v, (_, high) in zip(values, ranges, strict=True)]
    axes.errorbar(
        values,
        rows,
        xerr=[lows, highs],
        fmt="o",
        color=BLUE,
        capsize=3,
    )
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    return picture(figure, alt)


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
    figure, axes = make_rows(
        names, 0.8 + (0.2 + 0.16 * len(groups)) * len(names)
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
