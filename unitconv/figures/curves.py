"""Figures of curves: losses, learning, sampling, votes, runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator

from unitconv.figures.intervals import Estimate, Interval
from unitconv.figures.svg import (
    BLUE,
    COLORS,
    GREEN,
    GREY,
    INK,
    ORANGE,
    Look,
    Picture,
    first_and_last,
    make_axes,
    picture,
    series,
    styled,
)

Points = Sequence[tuple[float, float]]


def _draw_band(
    axes: Axes,
    xs: Sequence[float],
    estimates: Sequence[Estimate],
    label: str,
    look: Look,
) -> None:
    """Draw a curve of values over a band of their intervals."""
    values, ranges = zip(*estimates, strict=True)
    lows, highs = zip(*ranges, strict=True)
    axes.plot(xs, values, markersize=4, label=label, **look)
    axes.fill_between(xs, lows, highs, color=look["color"], alpha=0.15)


@styled
def vote_curves(
    sizes: Sequence[int],
    votes: Mapping[str, Sequence[Estimate]],
    any_right: Mapping[str, Sequence[float]],
    greedy: Mapping[str, float],
) -> Picture:
    """Plot the vote by the number of replies, one panel per question set.

    Args:
        sizes: how many replies vote.
        votes: set -> accuracy of the vote for each size.
        any_right: set -> share of questions with a right reply among them.
        greedy: set -> accuracy of the one greedy reply.
    """
    figure = Figure(figsize=(6.4, 3.2))
    panels = figure.subplots(1, len(votes), sharey=True, squeeze=False)[0]
    for axes, (name, points) in zip(panels, votes.items(), strict=True):
        label = "right reply among them"
        axes.plot(sizes, any_right[name], "--", color=GREY, label=label)
        axes.axhline(greedy[name], color=ORANGE, label="one greedy reply")
        look: Look = {"color": BLUE, "marker": "o"}
        _draw_band(axes, sizes, points, "their vote", look)
        axes.set(xticks=sizes, xlabel="replies a question", title=name)
        axes.set_ylim(0, 1.03)
        axes.grid()
    panels[0].set_ylabel("share of questions")
    handles, labels = panels[0].get_legend_handles_labels()
    place: Look = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
    figure.legend(handles, labels, ncols=3, **place)
    figure.tight_layout()
    accuracies = "; ".join(
        f"{name}: {points[0][0]:.2f} with {sizes[0]}, {points[-1][0]:.2f} "
        f"with {sizes[-1]}, greedy {greedy[name]:.2f}, one right among "
        f"{sizes[-1]} {any_right[name][-1]:.2f}"
        for name, points in votes.items()
    )
    return picture(figure, f"Accuracy of the vote. {accuracies}.")


@styled
def success_curves(runs: Mapping[str, Sequence[Estimate]]) -> Picture:
    """Plot the share of questions with one kept after 1, 2, ... samples."""
    figure, axes = make_axes(height=3.4)
    for place, (name, points) in enumerate(runs.items()):
        samples = range(1, len(points) + 1)
        _draw_band(axes, samples, points, name, series(name, place))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="completions a question")
    axes.set(ylim=(None, 1), ylabel="questions with one kept")
    axes.grid()
    axes.legend(loc="lower right")
    shares = {name: [y for y, _ in points] for name, points in runs.items()}
    return picture(
        figure,
        "Share of questions with a kept completion, from the first "
        f"completion to the last: {first_and_last(shares)}.",
    )


def _rate_panels(
    sizes: Sequence[int],
    panels: Mapping[str, Mapping[str, Sequence[Estimate]]],
    xlabel: str,
) -> tuple[Figure, str]:
    """Draw rates over bands, and list the first and last: title -> run."""
    figure = Figure(figsize=(6.8, 3.4))
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, runs) in zip(drawn, panels.items(), strict=True):
        for place, (name, points) in enumerate(runs.items()):
            shown = sizes[: len(points)]
            _draw_band(axes, shown, points, name, series(name, place))
        axes.set(xlabel=xlabel, title=title)
        axes.set_ylim(0, 1.03)
        axes.grid()
    drawn[-1].legend(loc="best")
    ends = "; ".join(
        f"{title}: "
        + first_and_last(
            {name: [y for y, _ in points] for name, points in runs.items()}
        )
        for title, runs in panels.items()
    )
    return figure, ends


@styled
def pass_at_k(
    sizes: Sequence[int],
    panels: Mapping[str, Mapping[str, Sequence[Estimate]]],
) -> Picture:
    """Plot pass@k, one panel for each question set: set -> model -> rates.

    The axis of k is logarithmic, with base 2.
    """
    figure, ends = _rate_panels(sizes, panels, "samples a question (k)")
    for axes in figure.axes:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
    figure.axes[0].set_ylabel("a right one among k")
    figure.tight_layout()
    ends = f"pass@k from k = {sizes[0]} to {sizes[-1]}. {ends}."
    return picture(figure, ends)


@styled
def examples_in_prompt(
    sizes: Sequence[int],
    panels: Mapping[str, Mapping[str, Sequence[Estimate]]],
) -> Picture:
    """Plot rates by worked examples shown: rate -> base -> values."""
    figure, ends = _rate_panels(sizes, panels, "worked examples")
    for axes in figure.axes:
        axes.set_xticks(sizes)
    figure.axes[0].set_ylabel("share of the questions")
    figure.tight_layout()
    text = f"Rates with {sizes[0]} to {sizes[-1]} worked examples. {ends}."
    return picture(figure, text)


@styled
def run_curves(
    xs: Sequence[float],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    xlabel: str = "epoch",
) -> Picture:
    """Plot measurements along a run: measurement -> series -> values.

    Each measurement has a panel with an axis of its own, three in a row.
    """
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(6.8, 0.8 + 2.2 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (label, curves) in zip(grid, panels.items(), strict=False):
        for place, (name, values) in enumerate(curves.items()):
            look = series(name, place) | {"markersize": 4}
            axes.plot(xs, values, label=name, **look)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set(xlabel=xlabel, title=label)
        axes.set_ylim(bottom=0)
        axes.grid()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    above: Look = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
    if len(labels) > 1:
        figure.legend(handles, labels, ncols=3, **above)
    figure.tight_layout()
    ends = "; ".join(
        f"{label}: {first_and_last(curves)}"
        for label, curves in panels.items()
    )
    return picture(figure, f"From the first {xlabel} to the last. {ends}.")


@styled
def learning_curves(
    tokens: Sequence[int],
    rates: Mapping[str, Sequence[float]],
    ranges: Mapping[str, Sequence[Interval]],
) -> Picture:
    """Plot the accuracy of each skill against training tokens."""
    figure, axes = make_axes(height=3.6)
    for place, (name, values) in enumerate(rates.items()):
        points = list(zip(values, ranges[name], strict=True))
        _draw_band(axes, tokens, points, name, series(name, place))
    axes.set(xscale="log", xlabel="tokens read")
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.minorticks_off()
    axes.set(ylim=(0, 1), ylabel="share right")
    axes.grid()
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.22), ncols=2)
    span = f"{tokens[0]:,} to {tokens[-1]:,} tokens"
    ends = first_and_last(rates)
    return picture(figure, f"Shares right, {span}: {ends}.")


@styled
def losses(
    runs: Mapping[str, Sequence[float]], tokens_per_step: Mapping[str, int]
) -> Picture:
    """Plot training loss (nats per token) over tokens, one line per run.

    Losses are averaged over a fiftieth of the run. Both axes are
    logarithmic: early learning is fast and late learning is small.
    """
    figure, axes = make_axes()
    curves = {}
    for place, (name, values) in enumerate(runs.items()):
        width = max(1, len(values) // 50)
        starts = range(0, len(values), width)
        chunks = [values[start : start + width] for start in starts]
        curves[name] = [sum(chunk) / len(chunk) for chunk in chunks]
        step = tokens_per_step[name]
        tokens = [(start + width / 2) * step for start in starts]
        look: Look = {"color": COLORS[place], "ls": ("-", "--", ":")[place]}
        axes.plot(tokens, curves[name], label=name, **look)
    axes.set(xscale="log", xlabel="tokens read")
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set(yscale="log", ylabel="loss (nats a token)")
    axes.minorticks_off()
    axes.set_yticks((0.5, 1, 2, 4, 8), ("0.5", "1", "2", "4", "8"))
    axes.grid()
    axes.legend()
    return picture(figure, f"Loss over tokens: {first_and_last(curves)}.")


@styled
def training_curves(
    losses: Points, valid_losses: Points, valid_scores: Points
) -> Picture:
    """Plot losses over epochs, and below them the validation accuracy.

    The lowest validation loss and the highest accuracy are marked.
    """
    figure = Figure(figsize=(5.8, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, points, look, color, label in (
        (above, losses, "-", BLUE, "train"),
        (above, valid_losses, "s-", ORANGE, "valid"),
        (below, valid_scores, "o-", GREEN, "accuracy"),
    ):
        xs, ys = zip(*points, strict=True)
        axes.plot(xs, ys, look, color=color, label=label)
    lowest = min(valid_losses, key=lambda point: point[1])
    highest = max(valid_scores, key=lambda point: point[1])
    ring = {"color": INK, "markersize": 10, "fillstyle": "none"}
    for axes, (x, y) in ((above, lowest), (below, highest)):
        axes.plot([x], [y], "o", **ring)
        axes.grid()
    above.set(yscale="log", ylabel="loss (nats a token)")
    above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    above.yaxis.set_major_formatter("{x:g}")
    above.minorticks_off()
    above.legend()
    below.set(ylabel="accuracy on valid", xlabel="epoch")
    below.set_xticks([epoch for epoch, _ in valid_scores])
    return picture(
        figure,
        f"The training loss goes from {losses[0][1]:.2f} to "
        f"{losses[-1][1]:.2f}. The loss on valid is lowest, "
        f"{lowest[1]:.3f}, at epoch {lowest[0]:g}; the accuracy on valid "
        f"is highest, {highest[1]:.3f}, at epoch {highest[0]:g}.",
    )
