"""Diagrams: the loop of the course, a leak, the blocks of the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

from unitconv.figures.svg import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    Look,
    Picture,
    canvas,
    centered,
    make_axes,
    picture,
    rounded_box,
    styled,
)

Place = tuple[int, int]  # column and row, from the upper left
WIDTH, HEIGHT = 1.14, 0.62  # of a box, in inches
ACROSS, DOWN = 1.5, 1.0  # from one box to the next

_DATA = json.loads(
    (files("unitconv.figures") / "diagrams.json").read_text("utf-8")
)
# Boxes with an example for each name; two chains of boxes; their places on
# a wide page and on a phone, where asking runs down and learning up.
_LOOP: dict[str, Any] = _DATA["course_loop"]
# Boxes: x, y, width, height, words, and a part for their color. Arrows: x
# and y of their start and of their end.
_BLOCK: dict[str, Any] = _DATA["block_drawing"]
_PARTS = {
    "embedding": GREEN,
    "attention": BLUE,
    "MLP": ORANGE,
    "norms": GREY,
}


def _center(place: Place) -> tuple[float, float]:
    return ACROSS * place[0], -DOWN * place[1]


def _box(axes: Axes, place: Place, name: str) -> FancyBboxPatch:
    """Draw the box of one step: its name above its example."""
    x, y = _center(place)
    centered(axes, x, y + 0.12, name, weight="bold", fontsize=10.5)
    centered(axes, x, y - 0.13, _LOOP["boxes"][name], fontsize=9)
    return rounded_box(
        axes,
        corner=(x - WIDTH / 2, y - HEIGHT / 2),
        size=(WIDTH, HEIGHT),
        radius=0.1,
        facecolor="none",
        edgecolor=INK if name == "model" else GREY,
        linewidth=1.6 if name == "model" else 1.0,
    )


@styled
def course_loop(narrow: bool = False) -> Picture:
    """Draw the course's loop, in two columns if `narrow` (for a phone)."""
    grid = _LOOP["narrow" if narrow else "wide"]
    width = ACROSS * (len(grid[0]) - 1) + 1.2
    height = DOWN * (len(grid) - 1) + 0.8
    figure, axes = canvas(width, height)
    axes.set_xlim(-0.6, width - 0.6)  # one unit is one inch
    axes.set_ylim(0.4 - height, 0.4)
    place = {
        name: (column, row)
        for row, names in enumerate(grid)
        for column, name in enumerate(names)
    }
    boxes = {name: _box(axes, place[name], name) for name in _LOOP["boxes"]}
    asking, learning = _LOOP["asking"], _LOOP["learning"]
    for chain, color in ((asking, BLUE), (learning, ORANGE)):
        for a, b in pairwise(chain):
            arrow = FancyArrowPatch(
                _center(place[a]),
                _center(place[b]),
                patchA=boxes[a],
                patchB=boxes[b],
                arrowstyle="-|>",
                mutation_scale=10,
                color=color,
                linewidth=1.8,
                shrinkA=1,
                shrinkB=1,
            )
            axes.add_patch(arrow)
    x, y = _center(place["model"])
    axes.text(x + 0.07, y + DOWN / 2, "tokens", va="center", fontsize=9)
    x, y = _center(place["key"])
    for line, words, color in (
        (y + 0.14, "one question", BLUE),
        (y - 0.14, "what is learned", ORANGE),
    ):
        axes.plot([x - 0.55, x - 0.35], [line, line], color=color, lw=1.8)
        axes.text(x - 0.28, line, words, va="center", fontsize=9)
    return picture(
        figure,
        f"What the course builds. One question: {', '.join(asking)}. "
        f"What is learned: {', '.join(learning)}.",
    )


@styled
def block_drawing(layers: int, **shape: int) -> Picture:
    """Draw a Llama as boxes around its residual stream, from bottom to top.

    `shape` has `hidden`, `heads`, `kv_heads`, `head_dim`, `intermediate`
    and `vocabulary`. The frame holds one block of `layers`.
    """
    figure, axes = canvas(4.6, 6.4)
    frame = {"fc": "none", "ec": GREY, "ls": (0, (4, 3))}
    rounded_box(axes, (0.35, 2.5), size=(9.5, 13.0), radius=0.3, **frame)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9}
    arrow |= {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 8}
    for x, y, to_x, to_y in _BLOCK["arrows"]:
        axes.annotate("", (to_x, to_y), (x, y), arrowprops=arrow)
    for y in (8.9, 14.3):  # where a branch is added to the stream
        fill = to_rgba(GREY, FAINT)
        axes.plot([1.8], [y], "o", ms=15, mfc=fill, mec=INK)
        centered(axes, 1.8, y, "+", fontsize=12)
    for x, y, width, height, template, part in _BLOCK["boxes"]:
        color, size = _PARTS[part], (width, height)
        look = {"fc": to_rgba(color, 0.25), "ec": color, "lw": 0.8}
        rounded_box(axes, (x, y), size=size, radius=0.15, **look)
        middle, text = y + height / 2 - 0.03, template.format(**shape)
        centered(axes, x + width / 2, middle, text, fontsize=9)
    axes.text(9.5, 2.15, f"{layers} such blocks", ha="right", va="center")
    stream = f"residual stream: {shape['hidden']} numbers a token"
    centered(axes, 1.25, 9.0, stream, rotation=90, fontsize=9)
    centered(axes, 6.9, 17.85, "logits", fontsize=9)
    axes.text(2.1, -0.2, "tokens", va="center", fontsize=9)
    axes.set(xlim=(0, 10), ylim=(-0.6, 18.2))
    alt = _BLOCK["alt"].format(layers=layers, **shape)
    return picture(figure, alt)


def _part_look(part: str) -> Look:
    """Fill faintly, for the letters, and each part in a grey of its own."""
    opacity = FAINT * (1 - 0.3 * list(_PARTS).index(part))
    fill = to_rgba(_PARTS[part], opacity)
    return {"fc": fill, "ec": INK, "linewidth": 0.6}


@styled
def parameter_shares(models: Mapping[str, Mapping[str, int]]) -> Picture:
    """Draw each model's shares of parameters, of the parts in `_PARTS`."""
    figure, axes = make_axes(5.8, 0.5 * len(models) + 0.9)
    descriptions = []
    for row, (name, counts) in enumerate(models.items()):
        total, left = sum(counts.values()), 0.0
        shares = {part: counts[part] / total for part in _PARTS}
        for part, share in shares.items():
            axes.barh(row, share, 0.6, left, **_part_look(part))
            if share > 0.08:
                centered(axes, left + share / 2, row, f"{share:.0%}")
            left += share
        axes.text(1.02, row, f"{total / 1e6:,.4g} M", va="center")
        parts = ", ".join(f"{n:.1%} {part}" for part, n in shares.items())
        descriptions.append(f"{name}: {total:,}, of which {parts}")
    axes.set_yticks(range(len(models)), list(models))
    axes.set(xlim=(0, 1), ylim=(len(models) - 0.5, -0.5), xticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    handles = [Patch(**_part_look(part)) for part in _PARTS]
    figure.legend(handles, list(_PARTS), loc="lower center", ncols=4)
    figure.subplots_adjust(bottom=0.2)
    alt = f"Shares of the parameters. {'; '.join(descriptions)}."
    return picture(figure, alt)


@styled
def sets_by_conversion(
    panels: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]],
) -> Picture:
    """Draw conversions, their sentences, and the set of each sentence.

    `panels` maps a title to conversions, and each conversion to pairs of a
    sentence and the name of its set. A conversion of several sets leaks.
    """
    lines = sum(
        1.2 + sum(map(len, panel.values())) for panel in panels.values()
    )
    figure, axes = canvas(6.4, 0.3 * lines)
    y, words = 0.0, []
    for title, panel in panels.items():
        axes.text(0, y + 0.7, title, va="center")
        y += 1.2
        for conversion, sentences in panel.items():
            sets = _draw_conversion(axes, y, conversion, sentences)
            y += len(sentences)
            words.append(f"{title}, {conversion}: {' and '.join(sets)}")
    axes.set(xlim=(-0.05, 6.35), ylim=(y, 0))
    return picture(figure, f"Sets of sentences. {'; '.join(words)}.")


def _draw_conversion(
    axes: Axes,
    top: float,
    conversion: str,
    sentences: Sequence[tuple[str, str]],
) -> list[str]:
    """Draw a conversion beside its sentences; return their sets."""
    sets = sorted({name for _, name in sentences})
    middle = top + len(sentences) / 2
    leaks = len(sets) > 1
    color, width = (ORANGE, 1.8) if leaks else (GREY, 1.0)
    rounded_box(
        axes,
        corner=(0, middle - 0.4),
        size=(2.0, 0.8),
        radius=0.1,
        facecolor="none",
        edgecolor=color,
        linewidth=width,
    )
    centered(axes, 1.0, middle, conversion, fontsize=9)
    for place, (sentence, name) in enumerate(sentences):
        y = top + place + 0.5
        axes.plot([2.0, 2.5], [middle, y], color=color, lw=width)
        axes.text(2.6, y, name, va="center", weight="bold", fontsize=9)
        axes.text(3.2, y, sentence, va="center", fontsize=9)
    return sets
