"""Figures of tokens: strips of text, batches, caches, label masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unitconv.figures.svg import (
    BLUE,
    COLORS,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    Look,
    Picture,
    canvas,
    centered,
    listing,
    make_axes,
    picture,
    styled,
)

# A strip is measured in characters of its monospaced font, 10 points high.
_CHARACTER = 0.084  # its width in inches
_STRIP = 62  # characters per line
_LINE = 2.6  # from line to line
_SHORT = 5  # characters that fit into a cell of a grid
_PADDING: Look = {"fc": "none", "ec": GREY, "ls": (0, (2, 2))}
_EDGE: Look = {"edgecolor": INK, "linewidth": 0.6}
# How a token of each kind is drawn in a label mask.
_KINDS: dict[str, Look] = {
    "prompt": {"facecolor": BLUE, "alpha": 0.4},
    "answer": {"facecolor": ORANGE, "hatch": "//", **_EDGE},
    "end": {"facecolor": GREEN, "hatch": "xx", **_EDGE},
    "hidden": {"facecolor": "none", "edgecolor": GREY, "linewidth": 0.7},
}


class Cell(NamedTuple):
    """A token of a batch, its attention mask and its position."""

    token: str
    mask: int
    position: int


def visible(token: str, limit: int | None = None) -> str:
    """Mark a token's spaces and line breaks; cut it to `limit`."""
    text = token.replace(" ", "\u00b7").replace("\n", "\u21b5")
    if limit and len(text) > limit:
        text = text[: limit - 1] + "\u2026"
    return text.replace("$", r"\$")  # no mathematics for matplotlib


def mono(
    axes: Axes, x: float, y: float, text: str, size: float, color: str
) -> None:
    """Write centred text in a monospaced font."""
    look: Look = {"fontsize": size, "color": color}
    centered(axes, x, y, text, family="monospace", **look)


def grid_cell(axes: Axes, row: int, column: int, **look: Any) -> None:
    """Fill a cell of a grid whose rows and columns are one unit apart."""
    corner = (column + 0.04, row + 0.06)
    axes.add_patch(Rectangle(corner, 0.92, 0.88, **look))


@styled
def token_strip(
    texts: Mapping[str, Sequence[str]],
    ids: Mapping[str, Sequence[int]] | None = None,
    shades: Mapping[str, Sequence[float]] | None = None,
) -> Picture:
    """Draw texts cut into their tokens, one box each; all maps by title.

    An empty title is left out. `ids` are written below the tokens; `shades`
    fill the boxes, from 0 to 1, which otherwise alternate in color.
    """
    figure, axes = canvas(_STRIP * _CHARACTER, 1.0)
    top = 0.0
    for title, tokens in texts.items():
        if title:
            axes.text(0, top + 0.7, title, fontsize=10, va="center")
            top += 1.5
        numbers = ids[title] if ids else None
        levels = shades[title] if shades else None
        top = _strip(axes, top, tokens, numbers, levels) + 0.5
    axes.set(xlim=(0, _STRIP), ylim=(top, 0))
    figure.set_size_inches(_STRIP * _CHARACTER, 0.15 * top)
    cut = "; ".join(
        f"{title + ': ' if title else ''}{len(tokens)} tokens, "
        + " | ".join(map(visible, tokens))
        for title, tokens in texts.items()
    )
    return picture(figure, f"Text cut into tokens. {cut}.")


def _strip(
    axes: Axes,
    top: float,
    tokens: Sequence[str],
    ids: Sequence[int] | None,
    shades: Sequence[float] | None,
) -> float:
    """Draw one text over as many lines as needed; return its bottom."""
    left, height = 0.0, _LINE if ids else _LINE - 0.9
    for index, token in enumerate(tokens):
        number = str(ids[index]) if ids else ""
        width = max(len(token), 0.92 * len(number)) + 0.7
        if left and left + width > _STRIP:
            left, top = 0.0, top + height
        color = BLUE if shades else COLORS[index % 4]
        strength = FAINT * shades[index] if shades else 0.3
        look: Look = {"lw": 0.6, "fc": to_rgba(color, strength)}
        look["ec"] = to_rgba(color, 0.5)
        corner = (left + 0.06, top + 0.1)
        axes.add_patch(Rectangle(corner, width - 0.12, 1.4, **look))
        middle = left + width / 2
        mono(axes, middle, top + 0.8, visible(token), size=10, color=INK)
        mono(axes, middle, top + 1.95, number, size=9, color=INK)
        left += width
        if "\n" in token and index + 1 < len(tokens):
            left, top = 0.0, top + height
    return top + height


@styled
def cache_filling(
    prompt: Sequence[str], reply: Sequence[str], first: int = 0
) -> Picture:
    """Draw the tokens read and cached in each forward pass, one per row.

    `prompt` may be the end of one, from position `first`.
    """
    tokens = [*prompt, *reply]
    width, height = 0.52 * len(tokens) + 0.9, 0.36 * len(reply) + 0.5
    figure, axes = make_axes(width=width, height=height)
    words = [visible(token, _SHORT) for token in tokens]
    for step in range(len(reply)):
        new, y = len(prompt) + step, step + 0.5
        for column in range(new):
            alpha = FAINT if step == 0 or column == new - 1 else 0.15
            grid_cell(axes, step, column, facecolor=BLUE, alpha=alpha)
            mono(axes, column + 0.5, y, words[column], size=9, color=INK)
        grid_cell(axes, step, new, fc="none", ec=ORANGE, lw=1.4)
        mono(axes, new + 0.5, y, words[new], size=9, color=INK)
    axes.set(xlim=(0, len(tokens)), ylim=(len(reply), 0))
    passes = ["prefill"] + [f"step {n}" for n in range(1, len(reply))]
    axes.set_yticks([step + 0.5 for step in range(len(reply))], passes)
    columns = range(len(tokens))
    numbers = [str(first + column) for column in columns]
    axes.set_xticks([x + 0.5 for x in columns], numbers, fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return picture(
        figure,
        f"A row for each of {len(reply)} passes. The prefill reads all "
        "tokens of the prompt; every later pass reads the one token that "
        "was generated last, and finds all before it in the cache, which "
        "is one token longer each time.",
    )


@styled
def padded_batches(
    panels: Mapping[str, Sequence[Sequence[Cell]]],
) -> Picture:
    """Draw batches: each cell a token above its mask and its position.

    `panels` maps a title to rows of cells. Padding (mask 0) is hollow,
    tokens (mask 1) are filled; a frame is around the last column.
    """
    sizes = [len(rows) for rows in panels.values()]
    width = max(len(rows[0]) for rows in panels.values())
    figure = Figure(
        figsize=(0.56 * width, sum(0.6 * size + 0.4 for size in sizes)),
        layout="constrained",
    )
    grid = figure.subplots(len(panels), squeeze=False, height_ratios=sizes)
    words = []
    for axes, (title, rows) in zip(grid[:, 0], panels.items(), strict=True):
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                _batch_cell(axes, row, column, cell)
        frame: Look = {"fc": "none", "ec": INK, "lw": 1.6}
        corner, size = (width - 1, 0), (1, len(rows))
        axes.add_patch(Rectangle(corner, *size, **frame))
        axes.set(xlim=(0, width + 0.05), ylim=(len(rows), -0.02))
        axes.set_title(title, loc="left")
        axes.axis("off")
        ends = sum(cells[-1].mask for cells in rows)
        words.append(
            f"{title}: in the last column {ends} of {len(rows)} cells are "
            "tokens"
        )
    return picture(figure, f"Batches with padding. {'; '.join(words)}.")


def _batch_cell(axes: Axes, row: int, column: int, cell: Cell) -> None:
    """Draw a token, or padding, above its mask and its position."""
    look = {"facecolor": BLUE, "alpha": 0.25} if cell.mask else _PADDING
    grid_cell(axes, row, column, **look)
    text = visible(cell.token, _SHORT) if cell.mask else "pad"
    mono(axes, column + 0.5, row + 0.34, text, size=9, color=INK)
    below = f"{cell.mask}, {cell.position}" if cell.mask else "0"
    centered(axes, column + 0.5, row + 0.73, below, fontsize=9)


@styled
def label_masks(panels: Mapping[str, Sequence[Sequence[str]]]) -> Picture:
    """Draw which tokens of a batch are learned, one panel per mask.

    `panels` maps a title to rows of the kinds in `_KINDS`.
    """
    sizes = [len(rows) for rows in panels.values()]
    height = sum(0.2 * size + 0.55 for size in sizes)
    figure = Figure(figsize=(5.8, height), layout="constrained")
    grid = figure.subplots(len(panels), squeeze=False, height_ratios=sizes)
    for axes, (title, rows) in zip(grid[:, 0], panels.items(), strict=True):
        for row, kinds in enumerate(rows):
            for column, kind in enumerate(kinds):
                grid_cell(axes, row, column, **_KINDS[kind])
        axes.set_xlim(-0.1, max(map(len, rows)) + 0.1)
        axes.set_ylim(len(rows), 0)
        axes.set_title(title, loc="left")
        axes.axis("off")
    handles = [mpl.patches.Patch(**look) for look in _KINDS.values()]
    names = ["prompt", "answer, learned", "end, learned", "padding, hidden"]
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    ends = [sum("end" in row for row in rows) for rows in panels.values()]
    masks = listing("{}: {} of {} ends are learned", panels, ends, sizes)
    return picture(figure, f"Label masks of a batch. {masks}.")
