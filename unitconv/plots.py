"""Every figure of the book.

A function here takes plain data and returns a `Picture`: SVG that follows
the page's theme, because its lines and letters are drawn in the colour of
the text around it, and that carries a description for readers who cannot
see it. Nothing is computed here that a chapter is about.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Drawn in this colour, then replaced by the page's text colour.
_INK = "#010203"
# Six hues of like lightness, told apart by colour-blind readers too and
# legible on white and on black (after Okabe and Ito 2008).
BLUE, ORANGE, GREEN, PINK, SKY, GREY = (
    "#3b7fc4",
    "#d9822b",
    "#2a9d74",
    "#c4689b",
    "#5aa9d6",
    "#8a8f98",
)
_COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, GREY)
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "unitconv",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


P = ParamSpec("P")


def _styled(draw: Callable[P, Picture]) -> Callable[P, Picture]:
    """Draw in the course's style, and leave matplotlib's as it was."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Picture:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, with the words that stand for it."""

    svg: str
    alt: str

    def _repr_html_(self) -> str:
        return f'<div class="picture">{self.svg}</div>'

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"


def picture(figure: Figure, alt: str) -> Picture:
    """Render a matplotlib figure for any theme.

    Args:
        alt: what the figure shows, for who cannot see it.
    """
    buffer = io.StringIO()
    figure.savefig(
        buffer,
        format="svg",
        transparent=True,
        bbox_inches="tight",
        metadata={"Date": None, "Creator": None},
    )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    label = html.escape(alt, quote=True)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{label}" '
        'xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" '
        rf'style="width:100%;max-width:{_width(svg)}px;height:auto">',
        svg,
        count=1,
    )
    return Picture(_own_ids(svg), alt)


def _width(svg: str) -> int:
    """The natural width in CSS pixels; SVG says it in points."""
    found = re.search(r'width="([\d.]+)pt"', svg)
    return round(float(found[1]) * 4 / 3) if found else 640


def _own_ids(svg: str) -> str:
    """Give ids a prefix of their own: many figures share one page."""
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    return re.sub(r'href="#', f'href="#{prefix}-', svg)


def _axes(width: float = 6.4, height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


@_styled
def intervals(
    names: Sequence[str],
    values: Sequence[float],
    ranges: Sequence[tuple[float, float]],
    xlabel: str,
    alt: str,
) -> Picture:
    """One dot with its 95 % interval per name, from top to bottom."""
    figure, axes = _axes(height=0.6 + 0.32 * len(names))
    rows = range(len(names))
    lows = [v - low for v, (low, _) in zip(values, ranges, strict=True)]
    highs = [high - v for v, (_, high) in zip(values, ranges, strict=True)]
    axes.errorbar(
        values,
        rows,
        xerr=[lows, highs],
        fmt="o",
        color=BLUE,
        capsize=3,
    )
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    return picture(figure, alt)


@_styled
def cache_work(
    prompt_tokens: int, new_tokens: int, alt: str | None = None
) -> Picture:
    """Tokens read at every step, with and without a KV cache."""
    figure, axes = _axes()
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


@_styled
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


@_styled
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
    figure, axes = _axes(width=0.62 * width, height=0.62 * rows + 0.2)
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
    column, row = corner
    axes.add_patch(
        mpl.patches.Rectangle(
            (column + 0.04, row + 0.06),
            0.92,
            0.88,
            facecolor=BLUE if real else "none",
            alpha=0.25 if real else 1.0,
            edgecolor="none" if real else GREY,
            linestyle="-" if real else (0, (2, 2)),
        )
    )
    axes.text(
        column + 0.5,
        row + 0.4,
        token.replace(" ", "\u00b7").replace("$", r"\$"),
        ha="center",
        va="center",
        fontsize=9,
        family="monospace",
        color=_INK if real else GREY,
    )
    axes.text(
        column + 0.5,
        row + 0.76,
        place,
        ha="center",
        va="center",
        fontsize=7,
        color=_INK if real else GREY,
    )


@_styled
def throughput(
    batch_sizes: Sequence[int], tokens_per_second: Sequence[float]
) -> Picture:
    """Decoding speed against the number of rows decoded together."""
    figure, axes = _axes()
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


@_styled
def losses(
    runs: Mapping[str, Sequence[float]], tokens_per_step: Mapping[str, int]
) -> Picture:
    """Training loss (nats a token) over tokens read, one line per run.

    Losses are averaged over a fiftieth of the run, both axes are
    logarithmic: early learning is fast and late learning is small.
    """
    figure, axes = _axes()
    ends = []
    for (name, values), color in zip(runs.items(), _COLORS, strict=False):
        width = max(1, len(values) // 50)
        starts = range(0, len(values), width)
        means = [
            sum(values[i : i + width]) / len(values[i : i + width])
            for i in starts
        ]
        step = tokens_per_step[name]
        tokens = [(i + width / 2) * step for i in starts]
        axes.plot(tokens, means, color=color, label=name)
        ends.append(f"{name} from {means[0]:.2f} to {means[-1]:.2f}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_yticks((0.5, 1, 2, 4, 8), ("0.5", "1", "2", "4", "8"))
    axes.set_xlabel("tokens read")
    axes.set_ylabel("loss (nats a token)")
    axes.grid()
    axes.legend()
    return picture(figure, f"Loss over tokens: {'; '.join(ends)}.")


@_styled
def learning_curves(
    tokens: Sequence[int],
    rates: Mapping[str, Sequence[float]],
    ranges: Mapping[str, Sequence[tuple[float, float]]],
) -> Picture:
    """What a run can do over the tokens it has read.

    Args:
        rates: ability -> its share at each of `tokens`.
        ranges: ability -> the 95 % interval of each share, drawn as a band.
    """
    figure, axes = _axes(height=3.6)
    for (name, values), color in zip(rates.items(), _COLORS, strict=False):
        axes.plot(tokens, values, "o-", color=color, markersize=4)
        lows, highs = zip(*ranges[name], strict=True)
        axes.fill_between(tokens, lows, highs, color=color, alpha=0.15)
        axes.plot([], [], "o-", color=color, label=name)
    axes.set_xscale("log")
    axes.set_ylim(0, 1)
    axes.set_xlabel("tokens read")
    axes.set_ylabel("share right")
    axes.grid()
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.22), ncols=2)
    ends = "; ".join(
        f"{name} from {values[0]:.2f} to {values[-1]:.2f}"
        for name, values in rates.items()
    )
    return picture(
        figure,
        f"Shares right, {tokens[0]:,} to {tokens[-1]:,} tokens: {ends}.",
    )
