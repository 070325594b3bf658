"""What every figure is: a `Picture`, SVG that follows the page's theme.

Its lines and letters are drawn in the colour of the text around it, and it
carries a description for readers who cannot see it.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Drawn in this colour, then replaced by the page's text colour.
INK = "#010203"
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
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, GREY)
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "unitconv",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


P = ParamSpec("P")


def styled(draw: Callable[P, Picture]) -> Callable[P, Picture]:
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
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
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
    return Picture(_light(_own_ids(svg)), alt)


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


def _light(svg: str) -> str:
    """The same drawing in two thirds of the bytes: pages hold many.

    Places are told to a hundredth of a point, the font without its ten
    substitutes, and lines without their indentation.
    """
    svg = re.sub(
        r"('DejaVu Sans(?: Mono)?'),[^;\"]*, (sans-serif|monospace)",
        r"\1, \2",
        svg,
    )
    svg = re.sub(
        r' (?:d|x|y|transform)="[^"]*"',
        lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]),
        svg,
    )
    return re.sub(r"\n\s+", "\n", svg)


def make_axes(
    width: float = 6.4, height: float = 3.2
) -> tuple[Figure, Axes]:
    """An empty figure of so many inches, and its axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Axes that fill the figure and draw nothing of their own."""
    figure, axes = make_axes(width, height)
    figure.subplots_adjust(0, 0, 1, 1)
    axes.axis("off")
    return figure, axes


def make_rows(names: Sequence[str], height: float) -> tuple[Figure, Axes]:
    """Axes for rows with names before them: long ones take from the axes.

    A figure that grew with its names would be scaled down, letters and
    all, on a narrow page.
    """
    longest = max(map(len, names), default=0)
    return make_axes(6.4 - 0.07 * max(0, longest - 6), height)
