"""The figure of the whole course: from a question to a better model."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from unitconv.figures.svg import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Picture,
    canvas,
    picture,
    styled,
)

Place = tuple[int, int]  # column and row, from the upper left
WIDTH, HEIGHT = 1.14, 0.62  # of a box, in inches
ACROSS, DOWN = 1.5, 1.0  # from one box to the next

# What stands in a box, and an example of it.
BOXES = {
    "question": "6 kg in gram?",
    "prompt": "with examples",
    "model": "decoding",
    "text": "6 * 1000 = 6000",
    "answer": "6000 g",
    "grade": "right, and why",
    "training set": "what was right",
    "adapter": "LoRA",
}
ASKING = ("question", "prompt", "model", "text", "answer", "grade")
LEARNING = ("grade", "training set", "adapter", "model")
WIDE: dict[str, Place] = {
    "question": (0, 0),
    "prompt": (1, 0),
    "key": (2, 0),
    "adapter": (0, 1),
    "model": (1, 1),
    "text": (2, 1),
    "training set": (0, 2),
    "grade": (1, 2),
    "answer": (2, 2),
}
# One question runs down the right side, and what is learned up the left.
NARROW: dict[str, Place] = {
    "key": (0, 0),
    "question": (1, 0),
    "prompt": (1, 1),
    "adapter": (0, 2),
    "model": (1, 2),
    "text": (1, 3),
    "answer": (1, 4),
    "training set": (0, 5),
    "grade": (1, 5),
}


def _center(place: Place) -> tuple[float, float]:
    return ACROSS * place[0], -DOWN * place[1]


def _box(axes: Axes, place: Place, name: str) -> FancyBboxPatch:
    x, y = _center(place)
    box = FancyBboxPatch(
        (x - WIDTH / 2, y - HEIGHT / 2),
        WIDTH,
        HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.1",
        facecolor="none",
        edgecolor=INK if name == "model" else GREY,
        linewidth=1.6 if name == "model" else 1.0,
    )
    axes.add_patch(box)
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(x, y + 0.12, name, weight="bold", fontsize=10.5, **middle)
    axes.text(x, y - 0.13, BOXES[name], fontsize=9, **middle)
    return box


def _arrow(
    axes: Axes,
    places: tuple[Place, Place],
    boxes: tuple[FancyBboxPatch, FancyBboxPatch],
    color: str,
) -> None:
    """From the edge of one box to the edge of another."""
    axes.add_patch(
        FancyArrowPatch(
            *map(_center, places),
            patchA=boxes[0],
            patchB=boxes[1],
            arrowstyle="-|>",
            mutation_scale=10,
            color=color,
            linewidth=1.8,
            shrinkA=1,
            shrinkB=1,
        )
    )


def _key(axes: Axes, place: Place) -> None:
    """Which colour is what."""
    x, y = _center(place)
    for line, words, color in (
        (y + 0.14, "one question", BLUE),
        (y - 0.14, "what is learned", ORANGE),
    ):
        axes.plot([x - 0.55, x - 0.35], [line, line], color=color, lw=1.8)
        axes.text(x - 0.28, line, words, va="center", fontsize=9)


@styled
def course_loop(narrow: bool = False) -> Picture:
    """What is built: a question becomes a grade, and grades a model.

    Args:
        narrow: in two columns, for a phone.
    """
    places = NARROW if narrow else WIDE
    columns, rows = map(max, zip(*places.values(), strict=True))
    width, height = ACROSS * columns + 1.2, DOWN * rows + 0.8
    figure, axes = canvas(width, height)
    axes.set_xlim(-0.6, width - 0.6)  # one unit is one inch
    axes.set_ylim(0.4 - height, 0.4)
    boxes = {name: _box(axes, places[name], name) for name in BOXES}
    for chain, color in ((ASKING, BLUE), (LEARNING, ORANGE)):
        for a, b in pairwise(chain):
            _arrow(
                axes, (places[a], places[b]), (boxes[a], boxes[b]), color
            )
    x, y = _center(places["model"])
    axes.text(x + 0.07, y + DOWN / 2, "tokens", va="center", fontsize=9)
    _key(axes, places["key"])
    return picture(
        figure,
        f"What the course builds. One question: {', '.join(ASKING)}. "
        f"What is learned: {', '.join(LEARNING)}.",
    )
