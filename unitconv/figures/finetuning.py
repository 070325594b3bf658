"""Figures of fine-tuning: label masks, LoRA's matrices, curves, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from unitconv.figures.svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    Picture,
    make_axes,
    picture,
    styled,
)

Matrix = Sequence[Sequence[float]]
Points = Sequence[tuple[float, float]]

# How a token of each kind is drawn: fill, its opacity, edge.
_KINDS: dict[str, tuple[str, float, str]] = {
    "prompt": (BLUE, 0.4, "none"),
    "answer": (ORANGE, 0.9, "none"),
    "end": (GREEN, 1.0, "none"),
    "hidden": ("none", 1.0, GREY),
}


@styled
def label_masks(panels: Mapping[str, Sequence[Sequence[str]]]) -> Picture:
    """Which tokens of a batch are learned, one panel per way to mask.

    Args:
        panels: title -> rows of kinds: "prompt", "answer" and "end" (both
            learned), or "hidden", which is padding or taken for it.
    """
    height = sum(0.2 * len(rows) + 0.55 for rows in panels.values())
    figure = Figure(figsize=(5.8, height), layout="constrained")
    grid = figure.subplots(
        len(panels),
        1,
        squeeze=False,
        gridspec_kw={"height_ratios": [len(r) for r in panels.values()]},
    )
    for axes, (title, rows) in zip(grid[:, 0], panels.items(), strict=True):
        for row, kinds in enumerate(rows):
            for column, kind in enumerate(kinds):
                _token(axes, column, row, kind)
        axes.set_xlim(-0.1, max(map(len, rows)) + 0.1)
        axes.set_ylim(len(rows), 0)
        axes.set_title(title, loc="left")
        axes.axis("off")
    handles = [
        mpl.patches.Patch(facecolor=fill, alpha=alpha, edgecolor=edge)
        for fill, alpha, edge in _KINDS.values()
    ]
    names = ["prompt", "answer, learned", "end, learned", "padding, hidden"]
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    found = "; ".join(
        f"{title}: {sum(list(row).count('end') for row in rows)} of "
        f"{len(rows)} ends are learned"
        for title, rows in panels.items()
    )
    return picture(figure, f"Label masks of a batch. {found}.")


def _token(axes: Axes, column: int, row: int, kind: str) -> None:
    fill, alpha, edge = _KINDS[kind]
    axes.add_patch(
        mpl.patches.Rectangle(
            (column + 0.06, row + 0.1),
            0.88,
            0.8,
            facecolor=fill,
            alpha=alpha,
            edgecolor=edge,
            linewidth=0.7,
        )
    )


@styled
def low_rank(b: Matrix, a: Matrix, product: Matrix, title: str) -> Picture:
    """Two thin matrices and their product, cells drawn to one scale.

    Blue is positive and orange negative, each matrix on a scale of its
    own; nothing is drawn where an entry is 0.
    """
    matrices = [b, a, product]
    widths = [len(matrix[0]) for matrix in matrices]
    heights = [len(matrix) for matrix in matrices]
    gap = 0.16 * max(heights)
    total = sum(widths) + 2 * gap
    figure, axes = make_axes(6.4, 6.4 * max(heights) / total + 0.5)
    left, middle = 0.0, max(heights) / 2
    names = ("$B$", "$A$", title)
    signs = ("", "\u00d7", "=")
    for name, sign, matrix in zip(names, signs, matrices, strict=True):
        rows, columns = len(matrix), len(matrix[0])
        top = middle - rows / 2
        axes.text(left - gap / 2, middle, sign, ha="center", va="center")
        axes.imshow(
            _colors(matrix),
            extent=(left, left + columns, top + rows, top),
            interpolation="nearest",
        )
        axes.add_patch(
            mpl.patches.Rectangle(
                (left, top), columns, rows, fill=False, edgecolor=GREY
            )
        )
        axes.text(
            left + columns / 2,
            top - 0.03 * max(heights),
            f"{name}\n{rows} × {columns}",
            ha="center",
            va="bottom",
            fontsize=9,
        )
        left += columns + gap
    axes.set_xlim(-0.05 * total, total * 1.01)
    axes.set_ylim(max(heights) * 1.02, -0.2 * max(heights))
    axes.set_aspect("equal")
    axes.axis("off")
    shapes = [f"{h} by {w}" for h, w in zip(heights, widths, strict=True)]
    return picture(
        figure,
        f"A matrix B, {shapes[0]}, times a matrix A, {shapes[1]}, gives a "
        f"matrix of {shapes[2]}: every row of it is a mixture of the "
        f"{widths[0]} rows of A.",
    )


def _colors(matrix: Matrix) -> list[list[tuple[float, ...]]]:
    """A colour by sign, its opacity by size: zero shows the page."""
    largest = max(abs(x) for row in matrix for x in row) or 1.0
    hues = to_rgb(ORANGE), to_rgb(BLUE)
    return [
        [(*hues[x > 0], min(1.0, 1.5 * abs(x) / largest)) for x in row]
        for row in matrix
    ]


@styled
def training_curves(
    losses: Points, valid_losses: Points, valid_scores: Points
) -> Picture:
    """Losses over epochs, and below them the accuracy on valid.

    The lowest loss on valid and the highest accuracy are marked.
    """
    figure = Figure(figsize=(5.8, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(*zip(*losses, strict=True), color=BLUE, label="train")
    above.plot(
        *zip(*valid_losses, strict=True), "o-", color=ORANGE, label="valid"
    )
    lowest = min(valid_losses, key=lambda point: point[1])
    above.plot(*lowest, "o", color=INK, markersize=10, fillstyle="none")
    above.set_yscale("log")
    above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    above.yaxis.set_major_formatter("{x:g}")
    above.minorticks_off()
    above.set_ylabel("loss (nats a token)")
    above.legend()
    below.plot(*zip(*valid_scores, strict=True), "o-", color=GREEN)
    highest = max(valid_scores, key=lambda point: point[1])
    below.plot(*highest, "o", color=INK, markersize=10, fillstyle="none")
    below.set_ylabel("accuracy on valid")
    below.set_xlabel("epoch")
    below.set_xticks([epoch for epoch, _ in valid_scores])
    for axes in (above, below):
        axes.grid()
    return picture(
        figure,
        f"The training loss goes from {losses[0][1]:.2f} to "
        f"{losses[-1][1]:.2f}. The loss on valid is lowest, "
        f"{lowest[1]:.3f}, at epoch {lowest[0]:g}; the accuracy on valid "
        f"is highest, {highest[1]:.3f}, at epoch {highest[0]:g}.",
    )


@styled
def rank_sizes(
    ranks: Sequence[int],
    megabytes: Sequence[float],
    accuracies: Sequence[float],
    ranges: Sequence[tuple[float, float]],
) -> Picture:
    """Accuracy against the size of the adapter, one dot per rank."""
    figure, axes = make_axes()
    pairs = list(zip(accuracies, ranges, strict=True))
    spread = [
        [value - low for value, (low, _) in pairs],
        [high - value for value, (_, high) in pairs],
    ]
    axes.errorbar(
        megabytes, accuracies, yerr=spread, fmt="o", color=BLUE, capsize=3
    )
    for rank, size, value in zip(ranks, megabytes, accuracies, strict=True):
        axes.annotate(
            f"rank {rank}",
            (size, value),
            textcoords="offset points",
            xytext=(7, -3),
        )
    axes.set_xscale("log")
    axes.margins(x=0.14)
    axes.minorticks_off()
    axes.set_xticks(megabytes, [f"{size:.2g}" for size in megabytes])
    axes.set_xlabel("size of the adapter (MB)")
    axes.set_ylabel("accuracy on valid")
    axes.grid()
    points = ", ".join(
        f"rank {rank} with {size:.2g} MB has {value:.2f}"
        for rank, size, value in zip(
            ranks, megabytes, accuracies, strict=True
        )
    )
    return picture(figure, f"Accuracy by size of the adapter: {points}.")
