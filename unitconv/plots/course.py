"""The figure of the whole course: from a question to a better model."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from .picture import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Picture,
    make_axes,
    picture,
    styled,
)

Place = tuple[int, int]  # column and row, from the upper left
WIDTH, HEIGHT = 1.14, 0.62  # of a box
ACROSS, DOWN = 1.5, 1.0  # from one box to the next

# What stands there, and an example of it.
BOXES: dict[Place, tuple[str, str]] = {
    (0, 0): ("question", "6 kg in gram?"),
    (1, 0): ("prompt", "with examples"),
    (0, 1): ("adapter", "LoRA"),
    (1, 1): ("model", "decoding"),
    (2, 1): ("text", "6 * 1000 = 6000"),
    (0, 2): ("training set", "what was right"),
    (1, 2): ("grade", "right, and why"),
    (2, 2): ("answer", "6000 g"),
}
ASKING: list[tuple[Place, Place, str]] = [
    ((0, 0), (1, 0), ""),
    ((1, 0), (1, 1), "tokens"),
    ((1, 1), (2, 1), ""),
    ((2, 1), (2, 2), ""),
    ((2, 2), (1, 2), ""),
]
LEARNING: list[tuple[Place, Place, str]] = [
    ((1, 2), (0, 2), ""),
    ((0, 2), (0, 1), ""),
    ((0, 1), (1, 1), ""),
]


def _center(place: Place) -> tuple[float, float]:
    return ACROSS * place[0], -DOWN * place[1]


def _arrow(
    axes: Axes, start: Place, end: Place, label: str, color: str
) -> None:
    (x, y), (to_x, to_y) = _center(start), _center(end)
    step = (end[0] - start[0], start[1] - end[1])
    reach = (step[0] * WIDTH / 2, step[1] * HEIGHT / 2)
    axes.annotate(
        "",
        (to_x - reach[0], to_y - reach[1]),
        (x + reach[0], y + reach[1]),
        arrowprops={
            "arrowstyle": "-|>",
            "color": color,
            "linewidth": 1.8,
            "shrinkA": 1,
            "shrinkB": 1,
        },
    )
    if label:
        axes.text(
            (x + to_x) / 2 + 0.07,
            (y + to_y) / 2,
            label,
            va="center",
            fontsize=9,
        )


def _box(axes: Axes, place: Place, name: str, example: str) -> None:
    x, y = _center(place)
    axes.add_patch(
        FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor="none",
            edgecolor=INK if place == (1, 1) else GREY,
            linewidth=1.6 if place == (1, 1) else 1.0,
        )
    )
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(x, y + 0.12, name, weight="bold", fontsize=10.5, **middle)
    axes.text(x, y - 0.13, example, fontsize=9, **middle)


@styled
def course_loop() -> Picture:
    """What is built: a question becomes a grade, and grades a model."""
    figure, axes = make_axes(width=5.4, height=3.6)
    for arrows, color in ((ASKING, BLUE), (LEARNING, ORANGE)):
        for start, end, label in arrows:
            _arrow(axes, start, end, label, color)
    for place, (name, example) in BOXES.items():
        _box(axes, place, name, example)
    x, y = _center((2, 0))
    for row, (words, color) in enumerate(
        (("one question", BLUE), ("what is learned", ORANGE))
    ):
        line = y + 0.14 - 0.28 * row
        axes.plot([x - 0.55, x - 0.35], [line, line], color=color, lw=1.8)
        axes.text(x - 0.28, line, words, va="center", fontsize=9)
    axes.set_xlim(-0.6, 3.6)
    axes.set_ylim(-2.4, 0.4)
    axes.axis("off")
    asked = ["question", *(BOXES[end][0] for _, end, _ in ASKING)]
    learned = ["grade", *(BOXES[end][0] for _, end, _ in LEARNING)]
    return picture(
        figure,
        f"What the course builds. One question: {', '.join(asked)}. "
        f"What is learned: {', '.join(learned)}.",
    )
