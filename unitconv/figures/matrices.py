"""Figures of matrices: attention weights, low-rank updates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from unitconv.figures.svg import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    Look,
    Picture,
    centered,
    listing,
    make_axes,
    picture,
    styled,
)
from unitconv.figures.tokens import grid_cell, mono, visible

Matrix = Sequence[Sequence[float]]


@styled
def attention_map(
    tokens: Sequence[str], weights: Matrix, title: str
) -> Picture:
    """Draw one head's attention weights, [queries, keys]."""
    figure, axes = make_axes(4.6, 4.6)
    names = [visible(token) for token in tokens]
    _token_grid(axes, names, title, rotation=90)
    for row in range(len(names)):
        for column in range(row + 1):
            _weight_cell(axes, row, column, weights[row][column])
    axes.set_xlabel("the token that is read")
    axes.set_ylabel("the token that reads")
    looks = []
    for name, row_weights in zip(names, weights, strict=True):
        best, most = max(enumerate(row_weights), key=lambda pair: pair[1])
        looks.append(f"{name} at {names[best]} with {most:.2f}")
    return picture(
        figure,
        f"Attention of {title}: each looks most, {'; '.join(looks)}.",
    )


@styled
def attention_steps(
    tokens: Sequence[str], scores: Matrix, weights: Matrix
) -> Picture:
    """Draw scores before the mask and weights after it, [queries, keys]."""
    figure = Figure(figsize=(5.0, 2.7))
    left, right = figure.subplots(1, 2)
    names = [visible(token) for token in tokens]
    _token_grid(left, names, "scores")
    _token_grid(right, names, "after mask and softmax")
    listing = []
    for row, name in enumerate(names):
        for column, (score, weight) in enumerate(
            zip(scores[row], weights[row], strict=True)
        ):
            x, y, seen = column + 0.5, row + 0.5, column <= row
            _weight_cell(left, row, column, 0)
            mono(left, x, y, f"{score:.2f}", size=10, color=INK)
            if seen:
                _weight_cell(right, row, column, FAINT * weight)
                mono(right, x, y, f"{weight:.2f}", size=10, color=INK)
            else:
                cross = {"color": GREY, "linewidth": 0.8, "alpha": 0.6}
                left.plot([x - 0.4, x + 0.4], [y + 0.4, y - 0.4], **cross)
        before = _weigh(names, scores[row])
        after = _weigh(names[: row + 1], weights[row])
        listing.append(f"{name} has {before} before and {after} after")
    left.set_ylabel("the token that reads")
    figure.supxlabel("the token that is read", y=0.07, fontsize=10)
    figure.subplots_adjust(wspace=0.25, bottom=0.2)
    return picture(
        figure,
        "Scores before the mask, and weights after it and a softmax. "
        f"{'; '.join(listing)}. Scores of later tokens are crossed out.",
    )


def _weigh(names: Sequence[str], numbers: Sequence[float]) -> str:
    """List numbers with the tokens they belong to, for a description."""
    pairs = zip(names, numbers, strict=False)
    return ", ".join(f"{number:.2f} for {name}" for name, number in pairs)


def _token_grid(
    axes: Axes, names: Sequence[str], title: str, rotation: float = 0
) -> None:
    """Set up square axes with a query per row and a key per column."""
    places = [index + 0.5 for index in range(len(names))]
    axes.set_xticks(places, names, rotation=rotation, family="monospace")
    axes.set_yticks(places, names, family="monospace")
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0), title=title)
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _weight_cell(axes: Axes, row: int, column: int, weight: float) -> None:
    """Draw a cell whose opacity is an attention weight."""
    fill, edge = to_rgba(BLUE, weight), to_rgba(GREY, 0.35)
    grid_cell(
        axes, row, column, facecolor=fill, edgecolor=edge, linewidth=0.6
    )


@styled
def low_rank(b: Matrix, a: Matrix, product: Matrix, title: str) -> Picture:
    """Draw two thin matrices and their product, cells to one scale.

    Positive entries are blue and negative ones orange, by matrix.
    """
    shapes = [(len(matrix), len(matrix[0])) for matrix in (b, a, product)]
    tallest = max(rows for rows, _ in shapes)
    gap = 0.16 * tallest
    total = sum(columns for _, columns in shapes) + 2 * gap
    figure, axes = make_axes(6.4, 6.4 * tallest / total + 0.5)
    left, middle = 0.0, tallest / 2
    for name, sign, matrix in (
        ("$B$", "", b),
        ("$A$", "×", a),
        (title, "=", product),
    ):
        rows, columns = len(matrix), len(matrix[0])
        top = middle - rows / 2
        centered(axes, left - gap / 2, middle, sign)
        extent = (left, left + columns, top + rows, top)
        image = _sign_colors(matrix)
        axes.imshow(image, extent=extent, interpolation="nearest")
        frame = Rectangle((left, top), columns, rows, fill=False, ec=GREY)
        axes.add_patch(frame)
        x, y = left + columns / 2, top - 0.03 * tallest
        look: Look = {"ha": "center", "va": "bottom", "fontsize": 9}
        axes.text(x, y, f"{name}\n{rows} × {columns}", **look)
        left += columns + gap
    axes.set_xlim(-0.05 * total, total * 1.01)
    axes.set_ylim(tallest * 1.02, -0.2 * tallest)
    axes.set_aspect("equal")
    axes.axis("off")
    sizes = [f"{rows} by {columns}" for rows, columns in shapes]
    return picture(
        figure,
        f"A matrix B, {sizes[0]}, times a matrix A, {sizes[1]}, gives a "
        f"matrix of {sizes[2]}: every row of it is a mixture of the "
        f"{len(a)} rows of A.",
    )


def _sign_colors(matrix: Matrix) -> list[list[tuple[float, ...]]]:
    """Colour entries by sign, opaque by size: zero is transparent."""
    largest = max(abs(x) for row in matrix for x in row) or 1.0
    hues = to_rgb(ORANGE), to_rgb(BLUE)
    return [
        [(*hues[x > 0], min(1.0, 1.5 * abs(x) / largest)) for x in row]
        for row in matrix
    ]


@styled
def rotations(places: Sequence[tuple[int, int]]) -> Picture:
    """Draw one rotated pair of a query and a key, for each (query, key).

    Each panel has the places of both in the text; the pair turns by one
    radian a token, as the first pair of rotary positions does.
    """
    figure = Figure(figsize=(6.2, 2.4))
    panels = figure.subplots(1, len(places))
    for axes, (query, key) in zip(panels, places, strict=True):
        axes.add_patch(Circle((0, 0), 1, fill=False, ec=GREY, lw=0.8))
        for place, name, color in (
            (query, "query", BLUE),
            (key, "key", ORANGE),
        ):
            x, y = math.cos(place), math.sin(place)
            arrow = {"arrowstyle": "-|>", "color": color, "lw": 1.6}
            axes.annotate("", (x, y), (0, 0), arrowprops=arrow)
            centered(axes, 1.32 * x, 1.25 * y, f"{name} at {place}")
        axes.set(xlim=(-2.1, 2.1), ylim=(-1.5, 1.5), aspect="equal")
        axes.axis("off")
    panel = "; ".join(f"query at {q}, key at {k}" for q, k in places)
    return picture(
        figure, f"Arrows of a rotated query and key. Panels: {panel}."
    )


@styled
def shared_heads(models: Mapping[str, tuple[int, int]]) -> Picture:
    """Draw which query heads share a key/value head, a row for each model.

    `models` maps a name to the numbers of query and of key/value heads.
    """
    widest = max(heads for heads, _ in models.values())
    step = 2.2  # from one model to the next
    figure, axes = make_axes(6.4, 1.3 * len(models))
    for row, (name, (heads, kv_heads)) in enumerate(models.items()):
        top, group = -step * row, heads // kv_heads
        axes.text(-2.6, top + 0.95, name, weight="bold")
        axes.text(-2.6, top + 0.4, "queries", va="center")
        axes.text(-2.6, top - 0.5, "keys, values", va="center")
        for head in range(heads):
            shared = (head // group * group) + (group - 1) / 2
            axes.plot(
                (head, shared), (top + 0.4, top - 0.5), color=GREY, zorder=0
            )
            axes.plot(head, top + 0.4, "o", color=BLUE, markersize=9)
            axes.plot(shared, top - 0.5, "s", color=ORANGE, markersize=9)
    axes.set(xlim=(-2.7, widest), ylim=(1.2 - step * len(models), 1.4))
    axes.axis("off")
    listed = listing(
        "{}: {} query heads, {} key/value heads",
        *zip(
            *((name, *counts) for name, counts in models.items()),
            strict=True,
        ),
    )
    return picture(
        figure, f"Lines from query to key/value heads. {listed}."
    )
