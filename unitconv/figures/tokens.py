"""Figures of tokens: texts cut into boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from unitconv.figures.svg import (
    BLUE,
    COLORS,
    GREY,
    INK,
    Picture,
    canvas,
    picture,
    styled,
)

# A strip counts in characters of its monospace font, 10 points high.
_CHARACTER = 0.084  # its width in inches
_STRIP = 62  # characters to a line
_LINE = 2.6  # from line to line


def shown(token: str) -> str:
    """A token's spaces and line breaks, made visible."""
    return (
        token.replace(" ", "\u00b7")
        .replace("\n", "\u21b5")
        .replace("$", r"\$")
    )


@styled
def token_strip(
    texts: Mapping[str, Sequence[str]],
    ids: Mapping[str, Sequence[int]] | None = None,
    shades: Mapping[str, Sequence[float]] | None = None,
) -> Picture:
    """Texts cut into their tokens, one box each.

    Args:
        texts: title -> the tokens of a text; an empty title is left out.
        ids: title -> their numbers, written below them.
        shades: title -> how strongly each box is filled, 0 to 1. Without
            it boxes take turns in four colours, so that seams show.
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
    axes.set_xlim(0, _STRIP)
    axes.set_ylim(top, 0)
    figure.set_size_inches(_STRIP * _CHARACTER, 0.15 * top)
    told = "; ".join(
        f"{title + ': ' if title else ''}{len(tokens)} tokens, "
        + " | ".join(shown(token) for token in tokens)
        for title, tokens in texts.items()
    )
    return picture(figure, f"Text cut into tokens. {told}.")


def _strip(
    axes: Axes,
    top: float,
    tokens: Sequence[str],
    ids: Sequence[int] | None,
    shades: Sequence[float] | None,
) -> float:
    """One text, on as many lines as it needs; where the next begins."""
    left, height = 0.0, _LINE if ids else _LINE - 0.9
    for index, token in enumerate(tokens):
        number = str(ids[index]) if ids else ""
        width = max(len(token), 0.72 * len(number)) + 0.7
        if left and left + width > _STRIP:
            left, top = 0.0, top + height
        color = BLUE if shades else COLORS[index % 4]
        opacity = 0.85 * shades[index] if shades else 0.3
        axes.add_patch(
            mpl.patches.Rectangle(
                (left + 0.06, top + 0.1),
                width - 0.12,
                1.4,
                facecolor=mpl.colors.to_rgba(color, opacity),
                edgecolor=mpl.colors.to_rgba(color, 0.5),
                linewidth=0.6,
            )
        )
        middle = left + width / 2
        mono(axes, middle, top + 0.8, shown(token), 10, INK)
        mono(axes, middle, top + 1.95, number, 7, GREY)
        left += width
        if "\n" in token and index + 1 < len(tokens):
            left, top = 0.0, top + height
    return top + height


def mono(
    axes: Axes, x: float, y: float, text: str, size: float, color: str
) -> None:
    """Text in the middle of a place, as wide as its characters are many."""
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        family="monospace",
        fontsize=size,
        color=color,
    )
