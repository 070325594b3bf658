"""Figures of prompting: form and content, the price, the vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from unitconv.figures.intervals import Interval
from unitconv.figures.svg import (
    BLUE,
    COLORS,
    GREY,
    ORANGE,
    Picture,
    make_axes,
    picture,
    styled,
)


def _arms(points: Sequence[Interval]) -> list[list[float]]:
    """How far error bars reach: down, then up."""
    return [
        [max(0.0, value - low) for value, (low, _) in points],
        [max(0.0, high - value) for value, (_, high) in points],
    ]


def _together(
    points: Mapping[str, tuple[Interval, Interval]], near: float = 0.04
) -> dict[tuple[float, float], list[str]]:
    """Names by place; those that would be printed over one another share
    the place of the first."""
    places: dict[tuple[float, float], list[str]] = {}
    for name, ((x, _), (y, _)) in points.items():
        for place, names in places.items():
            if max(abs(place[0] - x), abs(place[1] - y)) < near:
                names.append(name)
                break
        else:
            places[x, y] = [name]
    return places


@styled
def form_and_content(
    points: Mapping[str, tuple[Interval, Interval]],
) -> Picture:
    """Prompts by how often they are answered and how often rightly.

    Args:
        points: prompt -> answer rate and accuracy, each with its interval.
            Nothing can lie above the diagonal.
    """
    figure, axes = make_axes(width=4.6, height=4.2)
    axes.fill_between([0, 1], [0, 1], [1, 1], color=GREY, alpha=0.15)
    axes.text(0.33, 0.67, "impossible", color=GREY, ha="center")
    xs, ys = zip(*points.values(), strict=True)
    axes.errorbar(
        [x for x, _ in xs],
        [y for y, _ in ys],
        xerr=_arms(xs),
        yerr=_arms(ys),
        fmt="o",
        color=BLUE,
        capsize=3,
    )
    for (x, y), names in _together(points).items():
        axes.annotate(
            ", ".join(names),
            (x, y),
            xytext=(-9, 0) if x > 0.5 else (14, 5),
            textcoords="offset points",
            ha="right" if x > 0.5 else "left",
            va="center",
        )
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("answered at all")
    axes.set_ylabel("right")
    axes.grid()
    told = "; ".join(
        f"{name} answered {x:.2f}, right {y:.2f}"
        for name, ((x, _), (y, _)) in points.items()
    )
    return picture(figure, f"Answer rate against accuracy: {told}.")


@styled
def price_of_accuracy(
    points: Mapping[str, tuple[float, Interval]], xlabel: str
) -> Picture:
    """Accuracy by what an answer costs, on a logarithmic scale.

    Args:
        points: name -> cost, and accuracy with its interval.
    """
    figure, axes = make_axes(height=3.4)
    for (name, (cost, right)), color in zip(
        points.items(), COLORS, strict=False
    ):
        axes.errorbar(
            [cost],
            [right[0]],
            yerr=_arms([right]),
            fmt="o",
            color=color,
            capsize=3,
            label=name,
        )
    axes.set_xscale("log")
    costs = sorted(cost for cost, _ in points.values())
    ticks = [cost for cost in costs if _is_apart(cost, costs)]
    axes.set_xticks(ticks, [f"{cost:.0f}" for cost in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(costs[0] / 1.5, costs[-1] * 1.5)
    axes.set_ylim(0, 1)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("right")
    axes.grid()
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3)
    told = "; ".join(
        f"{name} {right:.2f} for {cost:.0f}"
        for name, (cost, (right, _)) in points.items()
    )
    return picture(figure, f"Accuracy by {xlabel}: {told}.")


def _is_apart(cost: float, costs: Sequence[float]) -> bool:
    """Has its tick room beside the one before it?"""
    before = [other for other in costs if other < cost]
    return not before or cost > 1.25 * before[-1]


@styled
def vote_curves(
    sizes: Sequence[int],
    votes: Mapping[str, Sequence[Interval]],
    any_right: Mapping[str, Sequence[float]],
    greedy: Mapping[str, float],
) -> Picture:
    """The vote by the number of replies: one panel a question set.

    Args:
        sizes: how many replies vote.
        votes: set -> accuracy of the vote for each size, with interval.
        any_right: set -> questions with a right reply among so many.
        greedy: set -> accuracy of the one greedy reply.
    """
    figure = Figure(figsize=(6.4, 3.2))
    panels = figure.subplots(1, len(votes), sharey=True, squeeze=False)[0]
    for axes, (name, points) in zip(panels, votes.items(), strict=True):
        _draw_votes(axes, sizes, points, any_right[name], greedy[name])
        axes.set_title(name)
    panels[0].set_ylabel("share of questions")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=3,
    )
    figure.tight_layout()
    told = "; ".join(
        f"{name}: {points[0][0]:.2f} with {sizes[0]}, {points[-1][0]:.2f} "
        f"with {sizes[-1]}, greedy {greedy[name]:.2f}, one right among "
        f"{sizes[-1]} {any_right[name][-1]:.2f}"
        for name, points in votes.items()
    )
    return picture(figure, f"Accuracy of the vote. {told}.")


def _draw_votes(
    axes: Axes,
    sizes: Sequence[int],
    points: Sequence[Interval],
    any_right: Sequence[float],
    greedy: float,
) -> None:
    values = [value for value, _ in points]
    lows, highs = zip(*(ends for _, ends in points), strict=True)
    axes.plot(
        sizes, any_right, "--", color=GREY, label="right reply among them"
    )
    axes.axhline(greedy, color=ORANGE, label="one greedy reply")
    axes.plot(
        sizes, values, "o-", color=BLUE, markersize=4, label="their vote"
    )
    axes.fill_between(sizes, lows, highs, color=BLUE, alpha=0.15)
    axes.set_xticks(sizes)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("replies a question")
    axes.grid()
