"""Figures of attention: which token looks at which, and how much."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unitconv.figures.svg import (
    BLUE,
    GREY,
    INK,
    Picture,
    make_axes,
    picture,
    styled,
)
from unitconv.figures.tokens import mono, shown


@styled
def attention_map(
    tokens: Sequence[str], weights: Sequence[Sequence[float]], title: str
) -> Picture:
    """Where one head looks: a row for each token that reads.

    Args:
        weights: for each token, its weight on every token. What lies
            after it cannot be seen and is not drawn.
    """
    figure, axes = make_axes(4.6, 4.6)
    names = [shown(token) for token in tokens]
    _grid(axes, names, title, turned=90)
    for row in range(len(names)):
        for column in range(row + 1):
            _cell(axes, row, column, weights[row][column])
    axes.set_xlabel("the token that is read")
    axes.set_ylabel("the token that reads")
    looks = []
    for name, looked in zip(names, weights, strict=True):
        best, most = max(enumerate(looked), key=lambda pair: pair[1])
        looks.append(f"{name} at {names[best]} with {most:.2f}")
    return picture(
        figure,
        f"Attention of {title}: each looks most, {'; '.join(looks)}.",
    )


@styled
def attention_steps(
    tokens: Sequence[str],
    scores: Sequence[Sequence[float]],
    weights: Sequence[Sequence[float]],
) -> Picture:
    """A tiny attention in numbers: all scores, and what is made of them.

    Args:
        scores: of each token, with every token, before the mask.
        weights: after the mask and the softmax.
    """
    figure = Figure(figsize=(5.0, 2.7))
    left, right = figure.subplots(1, 2)
    names = [shown(token) for token in tokens]
    _grid(left, names, "scores")
    _grid(right, names, "after mask and softmax")
    for row in range(len(names)):
        for column in range(len(names)):
            x, y, seen = column + 0.5, row + 0.5, column <= row
            score, weight = scores[row][column], weights[row][column]
            _cell(left, row, column, 0, hidden=not seen)
            mono(left, x, y, f"{score:.2f}", 10, INK if seen else GREY)
            if seen:
                _cell(right, row, column, 0.85 * weight)
                mono(right, x, y, f"{weight:.2f}", 10, INK)
    left.set_ylabel("the token that reads")
    figure.supxlabel("the token that is read", y=0.07, fontsize=10)
    figure.subplots_adjust(wspace=0.25, bottom=0.2)
    told = [
        f"{names[row]} has {_told(names, scores[row])} before and "
        f"{_told(names[: row + 1], weights[row])} after"
        for row in range(len(names))
    ]
    return picture(
        figure,
        "Scores before the mask, and weights after it and a softmax. "
        f"{'; '.join(told)}. Scores of later tokens are crossed out.",
    )


def _told(names: Sequence[str], numbers: Sequence[float]) -> str:
    pairs = zip(names, numbers, strict=False)
    return ", ".join(f"{number:.2f} for {name}" for name, number in pairs)


def _grid(
    axes: Axes, names: Sequence[str], title: str, turned: float = 0
) -> None:
    """Axes with a row for each token that reads, a column for each read."""
    places = [index + 0.5 for index in range(len(names))]
    axes.set_xticks(places, names, rotation=turned, family="monospace")
    axes.set_yticks(places, names, family="monospace")
    axes.set_xlim(0, len(names))
    axes.set_ylim(len(names), 0)
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)


def _cell(
    axes: Axes, row: int, column: int, filled: float, hidden: bool = False
) -> None:
    """One token's look at another, filled by weight or crossed out."""
    axes.add_patch(
        mpl.patches.Rectangle(
            (column + 0.04, row + 0.04),
            0.92,
            0.92,
            facecolor=mpl.colors.to_rgba(BLUE, filled),
            edgecolor=mpl.colors.to_rgba(GREY, 0.35),
            linewidth=0.6,
        )
    )
    if hidden:
        ends = [column + 0.1, column + 0.9], [row + 0.9, row + 0.1]
        axes.plot(*ends, color=GREY, linewidth=0.8, alpha=0.6)
