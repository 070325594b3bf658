"""Figures of decoding: the cache, sampling, padding, throughput."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unitconv.figures.svg import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Picture,
    make_axes,
    picture,
    styled,
)


@styled
def cache_work(
    prompt_tokens: int, new_tokens: int, alt: str | None = None
) -> Picture:
    """Tokens read at every step, with and without a KV cache."""
    figure, axes = make_axes()
    steps = list(range(1, new_tokens + 1))
    without = [prompt_tokens + step - 1 for step in steps]
    cached = [prompt_tokens] + [1] * (new_tokens - 1)
    axes.bar(steps, without, color=ORANGE, alpha=0.6, label="no cache")
    axes.bar(steps, cached, color=BLUE, label="with the cache")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step (one new token each)")
    axes.set_ylabel("tokens read")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 1.18), ncols=2)
    return picture(
        figure,
        alt
        or f"Bars of tokens read per step. Without a cache they grow from "
        f"{prompt_tokens} to {without[-1]}; with it the first step reads "
        f"{prompt_tokens} and every other step reads one.",
    )


@styled
def cache_filling(
    prompt: Sequence[str], reply: Sequence[str], first: int = 0
) -> Picture:
    """Who is read and who is remembered: one row a pass of the model.

    Args:
        prompt: the prompt's tokens, or the last ones of them.
        reply: the tokens that were then generated.
        first: the position of `prompt[0]`.
    """
    tokens = [*prompt, *reply]
    figure, axes = make_axes(
        width=0.52 * len(tokens) + 0.9, height=0.36 * len(reply) + 0.5
    )
    for step in range(len(reply)):
        seen = len(prompt) + step
        for column in range(seen):
            fresh = step == 0 or column == seen - 1
            _cache_cell(axes, (column, step), tokens[column], fresh)
        axes.text(
            *(seen + 0.12, step + 0.5, _short(tokens[seen])),
            va="center",
            fontsize=8,
            family="monospace",
            color=ORANGE,
        )
    axes.set_xlim(0, len(tokens))
    axes.set_ylim(len(reply), 0)
    axes.set_yticks(
        [step + 0.5 for step in range(len(reply))],
        ["prefill", *(f"step {step}" for step in range(1, len(reply)))],
    )
    axes.set_xticks(
        [column + 0.5 for column in range(len(tokens))],
        [str(first + column) for column in range(len(tokens))],
        fontsize=8,
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return picture(
        figure,
        f"A row for each of {len(reply)} passes. The prefill reads all "
        "tokens of the prompt; every later pass reads the one token that "
        "was generated last, and finds all before it in the cache, which "
        "is one token longer each time.",
    )


def _cache_cell(
    axes: Axes, corner: tuple[int, int], token: str, fresh: bool
) -> None:
    _box(axes, corner, BLUE, alpha=0.55 if fresh else 0.15)
    _word(axes, corner, 0.5, _short(token), fontsize=8, family="monospace")


def _box(
    axes: Axes, corner: tuple[int, int], fill: str, **look: Any
) -> None:
    """A cell's background; `corner` is its column and row."""
    column, row = corner
    where, look = (column + 0.04, row + 0.06), {"edgecolor": "none"} | look
    box = mpl.patches.Rectangle(where, 0.92, 0.88, facecolor=fill, **look)
    axes.add_patch(box)


def _word(
    axes: Axes, corner: tuple[int, int], down: float, text: str, **look: Any
) -> None:
    """Text in the middle of a cell, `down` that share of its height."""
    column, row = corner
    look = {"ha": "center", "va": "center", "color": INK} | look
    axes.text(column + 0.5, row + down, text, **look)


def _short(token: str) -> str:
    """A token as it fits in a cell, its white space made visible."""
    shown = token.replace(" ", "\u00b7").replace("\n", "\u21b5")
    if len(shown) > 5:
        shown = shown[:4] + "\u2026"
    return shown.replace("$", r"\$")


@styled
def next_token(
    tokens: Sequence[str], distributions: Mapping[str, Sequence[float]]
) -> Picture:
    """Probabilities of the next token, one panel per setting.

    Args:
        tokens: the candidates, most likely first.
        distributions: setting -> a probability for each candidate.
    """
    figure = Figure(figsize=(7.2, 2.6))
    panels = figure.subplots(1, len(distributions), sharey=True)
    for axes, (name, values) in zip(
        panels, distributions.items(), strict=True
    ):
        axes.bar(range(len(tokens)), values, color=BLUE)
        axes.set_xticks(
            range(len(tokens)), tokens, family="monospace", fontsize=9
        )
        axes.set_title(name)
        axes.set_ylim(0, 1)
    panels[0].set_ylabel("probability")
    best = "; ".join(
        f"{name}: {tokens[0]!r} has {values[0]:.2f}"
        for name, values in distributions.items()
    )
    return picture(figure, f"Next-token probabilities. {best}.")


@styled
def padded_batch(
    tokens: Sequence[Sequence[str]],
    attention_mask: Sequence[Sequence[int]],
    position_ids: Sequence[Sequence[int]],
) -> Picture:
    """A batch as a grid: each cell a token above its position.

    Padding (mask 0) is hollow and grey, tokens (mask 1) are filled. A
    space of a token is shown as a dot.
    """
    rows, width = len(tokens), len(tokens[0])
    figure, axes = make_axes(width=0.62 * width, height=0.62 * rows + 0.2)
    for row in range(rows):
        for column in range(width):
            real = bool(attention_mask[row][column])
            _grid_cell(
                axes,
                (column, row),
                tokens[row][column] if real else "pad",
                str(position_ids[row][column]) if real else "-",
                real,
            )
    axes.set_xlim(0, width)
    axes.set_ylim(rows, 0)
    axes.axis("off")
    padding = sum(list(row).count(0) for row in attention_mask)
    return picture(
        figure,
        f"A batch of {rows} rows and {width} columns; {padding} cells are "
        "padding with mask 0. In each row positions count from 0 at the "
        "first real token.",
    )


def _grid_cell(
    axes: Axes, corner: tuple[int, int], token: str, place: str, real: bool
) -> None:
    if real:
        _box(axes, corner, BLUE, alpha=0.25)
    else:
        _box(axes, corner, "none", edgecolor=GREY, linestyle=(0, (2, 2)))
    ink = INK if real else GREY
    look = {"fontsize": 9, "family": "monospace", "color": ink}
    _word(axes, corner, 0.4, _short(token), **look)
    _word(axes, corner, 0.76, place, fontsize=7, color=ink)


@styled
def throughput(
    batch_sizes: Sequence[int], tokens_per_second: Sequence[float]
) -> Picture:
    """Decoding speed against the number of rows decoded together."""
    figure, axes = make_axes()
    axes.plot(batch_sizes, tokens_per_second, "o-", color=BLUE)
    axes.set_xscale("log", base=2)
    axes.set_xticks(batch_sizes, [str(size) for size in batch_sizes])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("rows in the batch")
    axes.set_ylabel("tokens per second")
    axes.grid()
    points = ", ".join(
        f"{speed:.0f} at {size}"
        for size, speed in zip(batch_sizes, tokens_per_second, strict=True)
    )
    return picture(figure, f"Tokens per second by batch size: {points}.")
