"""Figures of shares and their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from .picture import BLUE, Picture, make_axes, picture, styled


@styled
def intervals(
    names: Sequence[str],
    values: Sequence[float],
    ranges: Sequence[tuple[float, float]],
    xlabel: str,
    alt: str,
) -> Picture:
    """One dot with its 95 % interval per name, from top to bottom."""
    figure, axes = make_axes(height=0.6 + 0.32 * len(names))
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
