"""Figures of estimates with 95 % intervals, drawn as error bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from unitconv.figures.svg import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Look,
    Picture,
    listing,
    make_axes,
    make_rows,
    picture,
    series,
    styled,
)

Interval = tuple[float, float]  #: its low and its high end
Estimate = tuple[float, Interval]  #: a value and its 95 % interval


def arms(estimates: Iterable[Estimate]) -> list[list[float]]:
    """Lengths of error bars below and above the values, for matplotlib."""
    pairs = list(estimates)
    return [
        [max(0.0, value - low) for value, (low, _) in pairs],
        [max(0.0, high - value) for value, (_, high) in pairs],
    ]


def _draw_rows(
    axes: Axes,
    rows: Sequence[float],
    estimates: Iterable[Estimate],
    **look: Any,
) -> None:
    """Draw one dot with a horizontal error bar in each row."""
    points = list(estimates)
    values, reach = [value for value, _ in points], arms(points)
    look = {"marker": "o", "linestyle": "none"} | look
    axes.errorbar(values, rows, xerr=reach, **look)


@styled
def intervals(
    names: Sequence[str],
    values: Sequence[float],
    ranges: Sequence[Interval],
    xlabel: str,
    alt: str,
) -> Picture:
    """Draw one dot with its 95 % interval per name, from top to bottom."""
    figure, axes = make_rows(names, 0.6 + 0.32 * len(names))
    estimates = zip(values, ranges, strict=True)
    _draw_rows(axes, range(len(names)), estimates, color=BLUE)
    axes.set_xlabel(xlabel)
    return picture(figure, alt)


@styled
def grouped_intervals(
    groups: Mapping[str, Mapping[str, Estimate]], xlabel: str
) -> Picture:
    """Draw several runs side by side: run -> name -> estimate.

    The names of the first run are the rows, from top to bottom.
    """
    names = list(next(iter(groups.values())))
    height = 0.8 + (0.2 + 0.16 * len(groups)) * len(names)
    figure, axes = make_rows(names, height)
    for index, (run, points) in enumerate(groups.items()):
        shift = (index - (len(groups) - 1) / 2) * 0.6 / len(groups)
        rows = [row + shift for row in range(len(names))]
        estimates = [points[name] for name in names]
        look = series(run, index) | {"markersize": 5, "label": run}
        _draw_rows(axes, rows, estimates, **look)
    axes.set_xlabel(xlabel)
    columns = len(groups)
    if columns > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns)
    values = [
        ", ".join(
            f"{points[name][0]:.2f}" + (f" ({run})" if run else "")
            for run, points in groups.items()
        )
        for name in names
    ]
    title = xlabel[:1].upper() + xlabel[1:]
    listed = listing("{} {}", names, values)
    return picture(figure, f"{title}, by row: {listed}.")


@styled
def differences(
    names: Sequence[str],
    values: Sequence[float],
    ranges: Sequence[Interval],
    xlabel: str,
) -> Picture:
    """Draw differences with 95 % intervals, around a line at zero.

    An interval that excludes zero is colored, the others are grey, with a
    hollow dot.
    """
    figure, axes = make_rows(names, 0.7 + 0.27 * len(names))
    axes.axvline(0, color=INK, linewidth=0.8)
    lows, highs = zip(*ranges, strict=True)
    for row, (value, ends) in enumerate(zip(values, ranges, strict=True)):
        look: Look = {"color": BLUE}
        if ends[0] <= 0 <= ends[1]:
            look = {"color": GREY, "markerfacecolor": "none"}
        _draw_rows(axes, [row], [(value, ends)], **look)
    axes.set_xlabel(xlabel)
    template = "{} {:+.3f} ({:+.3f} to {:+.3f})"
    rows = listing(template, names, values, lows, highs)
    return picture(figure, f"Differences with 95 % intervals: {rows}.")


@styled
def stage_rates(
    names: Sequence[str],
    accuracy: Sequence[float],
    ranges: Sequence[Interval],
    answered: Sequence[float],
    narrow: bool = False,
) -> Picture:
    """Draw accuracy with its 95 % interval, and the answer rate, by stage.

    `narrow` is for a phone: names are above the rows, not before them.
    """
    figure, axes = make_rows(names, 0.9 + 0.36 * len(names))
    if narrow:
        figure.set_size_inches(4.4, 0.9 + 0.5 * len(names))
        axes.set_yticks(range(len(names)), [])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.5, -0.7)
        for row, name in enumerate(names):
            axes.text(0, row - 0.22, name)
    rows = range(len(names))
    axes.hlines(rows, accuracy, answered, color=GREY, alpha=0.5)
    ring: Look = {"facecolors": "none", "edgecolors": ORANGE, "zorder": 3}
    axes.scatter(answered, rows, s=42, label="answered at all", **ring)
    estimates = zip(accuracy, ranges, strict=True)
    label = "right, with 95 % interval"
    _draw_rows(axes, rows, estimates, color=BLUE, zorder=4, label=label)
    axes.set(xlim=(-0.03, 1.03), xlabel="share of all questions")
    columns = 1 if narrow else 2
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=columns)
    template = "{} right in {:.2f} of all, answered in {:.2f}"
    shares = listing(template, names, accuracy, answered)
    return picture(figure, f"Accuracy and answer rate: {shares}.")


@styled
def form_and_content(
    points: Mapping[str, tuple[Estimate, Estimate]],
) -> Picture:
    """Plot each prompt's answer rate and, never above it, its accuracy."""
    figure, axes = make_axes(width=4.6, height=4.2)
    axes.fill_between([0, 1], [0, 1], [1, 1], color=GREY, alpha=0.15)
    axes.text(0.33, 0.67, "impossible", style="italic", ha="center")
    answered, right = zip(*points.values(), strict=True)
    xs, ys = [x for x, _ in answered], [y for y, _ in right]
    reach: Look = {"xerr": arms(answered), "yerr": arms(right)}
    axes.errorbar(xs, ys, fmt="o", color=BLUE, **reach)
    for (x, y), label in _shared_labels(points, xs, ys).items():
        axes.annotate(
            label,
            (x, y),
            xytext=(-9, 0) if x > 0.5 else (14, 5),
            textcoords="offset points",
            ha="right" if x > 0.5 else "left",
            va="center",
        )
    axes.set(xlim=(-0.03, 1.03), xlabel="answered at all")
    axes.set(ylim=(-0.03, 1.03), ylabel="right")
    axes.grid()
    rates = listing("{} answered {:.2f}, right {:.2f}", points, xs, ys)
    return picture(figure, f"Answer rate against accuracy: {rates}.")


def _shared_labels(
    names: Iterable[str], xs: Sequence[float], ys: Sequence[float]
) -> dict[tuple[float, float], str]:
    """Join labels that would overlap, at the place of the first."""
    labels: dict[tuple[float, float], str] = {}
    for name, x, y in zip(names, xs, ys, strict=True):
        near = [
            p for p in labels if max(abs(p[0] - x), abs(p[1] - y)) < 0.04
        ]
        if near:
            labels[near[0]] += f", {name}"
        else:
            labels[x, y] = name
    return labels


@styled
def price_of_accuracy(
    points: Mapping[str, tuple[float, Estimate]], xlabel: str
) -> Picture:
    """Plot accuracy against the cost of an answer: name -> cost, accuracy.

    The axis of the cost is logarithmic.
    """
    figure, axes = make_axes(height=3.4)
    for place, (name, (cost, right)) in enumerate(points.items()):
        look = series(name, place) | {"ls": "none", "label": name}
        axes.errorbar([cost], [right[0]], yerr=arms([right]), **look)
    costs = sorted(cost for cost, _ in points.values())
    # A tick needs room beside the one before it.
    ticks = costs[:1] + [b for a, b in pairwise(costs) if b > 1.25 * a]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{cost:.0f}" for cost in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlim=(costs[0] / 1.5, costs[-1] * 1.5), xlabel=xlabel)
    axes.set(ylim=(0, 1), ylabel="right")
    axes.grid()
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3)
    prices = "; ".join(
        f"{name} {right:.2f} for {cost:.0f}"
        for name, (cost, (right, _)) in points.items()
    )
    return picture(figure, f"Accuracy by {xlabel}: {prices}.")


@styled
def rank_sizes(
    ranks: Sequence[int],
    megabytes: Sequence[float],
    accuracies: Sequence[float],
    ranges: Sequence[Interval],
) -> Picture:
    """Plot accuracy against the size of the adapter, one dot per rank."""
    figure, axes = make_axes()
    reach = arms(zip(accuracies, ranges, strict=True))
    axes.errorbar(megabytes, accuracies, yerr=reach, fmt="o", color=BLUE)
    for rank, x, y in zip(ranks, megabytes, accuracies, strict=True):
        where: Look = {"xytext": (7, -3), "textcoords": "offset points"}
        axes.annotate(f"rank {rank}", (x, y), **where)
    axes.set_xscale("log")
    axes.margins(x=0.14)
    axes.minorticks_off()
    axes.set_xticks(megabytes, [f"{size:.2g}" for size in megabytes])
    axes.set(xlabel="size of the adapter (MB)", ylabel="accuracy on valid")
    axes.grid()
    template = "rank {} with {:.2g} MB has {:.2f}"
    points = listing(template, ranks, megabytes, accuracies, separator=", ")
    return picture(figure, f"Accuracy by size of the adapter: {points}.")
