"""Figures of the model: its blocks, and where its parameters are."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.axes import Axes

from unitconv.figures.svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    Picture,
    canvas,
    make_axes,
    picture,
    styled,
)

_PARTS = {
    "embedding": GREEN,
    "attention": BLUE,
    "MLP": ORANGE,
    "norms": GREY,
}


@styled
def block_drawing(
    layers: int,
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    intermediate: int,
    vocabulary: int,
) -> Picture:
    """A Llama as boxes: the residual stream, and what reads and writes it.

    Text flows from the bottom to the top. What stands in the frame is one
    block of `layers`.
    """
    figure, axes = canvas(4.6, 6.4)
    axes.add_patch(
        mpl.patches.FancyBboxPatch(
            (0.35, 2.5),
            9.5,
            13.0,
            boxstyle="round,pad=0,rounding_size=0.3",
            facecolor="none",
            edgecolor=GREY,
            linestyle=(0, (4, 3)),
        )
    )
    axes.text(9.5, 2.15, f"{layers} such blocks", ha="right", va="center")
    _arrow(axes, (1.8, 1.2), (1.8, 16.2))
    axes.text(
        1.25,
        9.0,
        f"residual stream: {hidden} numbers a token",
        rotation=90,
        ha="center",
        va="center",
        fontsize=9,
    )
    _box(axes, 0.5, 0.2, 4.6, f"embedding: {vocabulary:,} × {hidden}", 1)
    _box(axes, 0.5, 16.2, 2.6, "RMSNorm", 3)
    _box(axes, 4.1, 16.2, 5.6, f"head: {hidden} × {vocabulary:,}", 1)
    _arrow(axes, (3.1, 16.7), (4.1, 16.7))
    _arrow(axes, (6.9, 17.2), (6.9, 17.6))
    axes.text(6.9, 17.85, "logits", ha="center", va="center", fontsize=9)
    _arrow(axes, (1.8, -0.2), (1.8, 0.2))
    axes.text(2.1, -0.2, "tokens", va="center", fontsize=9)
    _attention(axes, f"{heads} × {head_dim}", f"{kv_heads} × {head_dim}")
    _feed_forward(axes, intermediate)
    axes.set_xlim(0, 10)
    axes.set_ylim(-0.6, 18.2)
    return picture(
        figure,
        f"A drawing of the model. An embedding of {vocabulary:,} by "
        f"{hidden} starts a residual stream of {hidden} numbers a token. "
        f"Each of {layers} blocks adds to it twice. Attention: RMSNorm, "
        f"queries of {heads} heads, keys and values of {kv_heads} heads, "
        f"{head_dim} wide, rotation of queries and keys, causal softmax, "
        f"output projection. Then the MLP: RMSNorm, gate and up to "
        f"{intermediate}, SiLU of the gate times up, down to {hidden}. "
        "After the last block a norm and the head give the logits.",
    )


def _attention(axes: Axes, queries: str, keys: str) -> None:
    """The lower branch of a block."""
    _branch(axes, 3.0, 8.9)
    _box(axes, 3.0, 3.0, 6.5, "RMSNorm", 3)
    for x, name, shape in (
        (3.0, "q_proj", queries),
        (5.25, "k_proj", keys),
        (7.5, "v_proj", keys),
    ):
        _arrow(axes, (x + 1.0, 4.0), (x + 1.0, 4.5))
        _box(axes, x, 4.5, 2.0, f"{name}\n{shape}", 0, height=1.3)
    for x in (4.0, 6.25):
        _arrow(axes, (x, 5.8), (x, 6.2))
        _arrow(axes, (x, 7.1), (x, 7.4))
    _box(axes, 3.0, 6.2, 4.25, "rotate by position", 0, height=0.9)
    _arrow(axes, (8.5, 5.8), (8.5, 7.4))
    _box(axes, 3.0, 7.4, 6.5, "causal softmax attention", 0, height=0.9)
    _arrow(axes, (6.25, 8.3), (6.25, 8.5))
    _box(axes, 3.0, 8.5, 6.5, "o_proj", 0, height=0.8)


def _feed_forward(axes: Axes, intermediate: int) -> None:
    """The upper branch of a block."""
    _branch(axes, 9.9, 14.3)
    _box(axes, 3.0, 9.9, 6.5, "RMSNorm", 3)
    for x, name in ((3.0, "gate_proj"), (6.5, "up_proj")):
        _arrow(axes, (x + 1.5, 10.9), (x + 1.5, 11.2))
        _box(axes, x, 11.2, 3.0, f"{name}\n{intermediate}", 2, height=1.3)
        _arrow(axes, (x + 1.5, 12.5), (x + 1.5, 12.8))
    _box(axes, 3.0, 12.8, 6.5, "SiLU(gate) × up", 2, height=0.8)
    _arrow(axes, (6.25, 13.6), (6.25, 13.9))
    _box(axes, 3.0, 13.9, 6.5, "down_proj", 2, height=0.8)


def _branch(axes: Axes, reads: float, writes: float) -> None:
    """Off the stream at one height, added back to it at another."""
    _arrow(axes, (1.8, reads + 0.5), (3.0, reads + 0.5))
    _arrow(axes, (3.0, writes), (2.07, writes))
    axes.plot(
        [1.8],
        [writes],
        "o",
        markersize=15,
        markerfacecolor=mpl.colors.to_rgba(GREY, 0.6),
        markeredgecolor=INK,
    )
    axes.text(1.8, writes, "+", ha="center", va="center", fontsize=12)


def _box(
    axes: Axes,
    x: float,
    y: float,
    width: float,
    text: str,
    part: int,
    height: float = 1.0,
) -> None:
    """A labelled box; `part` picks the hue that the bars use too."""
    color = (BLUE, GREEN, ORANGE, GREY)[part]
    axes.add_patch(
        mpl.patches.FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.15",
            facecolor=mpl.colors.to_rgba(color, 0.25),
            edgecolor=color,
            linewidth=0.8,
        )
    )
    axes.text(
        x + width / 2,
        y + height / 2 - 0.03,
        text,
        ha="center",
        va="center",
        fontsize=9,
    )


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float]
) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": INK,
            "linewidth": 0.9,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 8,
        },
    )


@styled
def parameter_shares(models: Mapping[str, Mapping[str, int]]) -> Picture:
    """Where the parameters of each model are, as shares of the whole.

    Args:
        models: name -> how many parameters "embedding", "attention",
            "MLP" and "norms" have.
    """
    figure, axes = make_axes(5.8, 0.5 * len(models) + 0.9)
    told = []
    for row, counts in enumerate(models.values()):
        total, left = sum(counts.values()), 0.0
        for part, color in _PARTS.items():
            share = counts[part] / total
            axes.barh(row, share, left=left, height=0.6, color=color)
            if share > 0.08:
                axes.text(
                    left + share / 2,
                    row,
                    f"{share:.0%}",
                    ha="center",
                    va="center",
                )
            left += share
        axes.text(1.02, row, f"{total / 1e6:,.4g} M", va="center")
    for name, counts in models.items():
        total = sum(counts.values())
        shares = [f"{counts[p] / total:.1%} {p}" for p in _PARTS]
        told.append(f"{name}: {total:,}, of which {', '.join(shares)}")
    axes.set_yticks(range(len(models)), list(models))
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    handles = [mpl.patches.Patch(color=color) for color in _PARTS.values()]
    figure.legend(
        handles, list(_PARTS), loc="lower center", ncols=4, frameon=False
    )
    figure.subplots_adjust(bottom=0.2)
    return picture(figure, f"Shares of the parameters. {'; '.join(told)}.")
