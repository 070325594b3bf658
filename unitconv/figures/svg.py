"""SVG figures that follow the page's theme, with alternative text.

Lines and letters take the color of the text around them, so that one
drawing serves light and dark pages. Each figure carries a description
for readers who cannot see it.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

# Drawn in this color, then replaced by the page's text color.
INK = "#010203"
# Hues (after Okabe and Ito 2008) that are seen on white and on black. They
# are then of one lightness, so color-blind readers and grey printers need
# a second sign: each place in these lists has a marker and a hatch.
BLUE, ORANGE, GREEN = "#3b7fc4", "#cc7722", "#2a9d74"
PINK, SKY, GREY = "#c4689b", "#3f97c9", "#8a8f98"
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, GREY)
MARKERS = "os^DvP"
HATCHES = ("", "//", "||", "xx", "--", "++")
FAINT = 0.45  # opacity of a fill that has letters on it
SMALLEST = 9  # points of a letter: 12 pixels of a page
Look = dict[str, Any]  #: keyword arguments of a matplotlib function
# One meaning for a color through the book: marks of stages and seeds ...
_SERIES = {
    **dict.fromkeys(("base", "cot"), (GREY, "o")),
    "sft": (ORANGE, "s"),
    **dict.fromkeys(("rft", "rft-1"), (GREEN, "^")),
    "rft-2": (GREEN, "D"),
    **{f"seed {seed}": (INK, MARKERS[seed]) for seed in range(3)},
}
# ... and parts of a bar: what became of the replies. Classes of one hue are
# kinds of one mistake, such as the two false statements.
OUTCOMES: dict[str, tuple[str, float, str]] = {
    **dict.fromkeys(("right", "kept"), (BLUE, 1, "")),
    "no answer": (GREY, 0, ""),
    **dict.fromkeys(("wrong answer", "wrong direction"), (ORANGE, 1, "//")),
    "near miss": (ORANGE, 1, "++"),
    "false statement": (GREEN, 1, r"\\"),
    "wrong fact": (GREEN, 1, "||"),
    "wrong arithmetic": (GREEN, 1, "xx"),
    "namesake": (PINK, 1, "++"),
    **dict.fromkeys(("wrong unit", "another unit"), (SKY, 1, "--")),
    "no reasoning": (GREY, 1, "||"),
    "does not lead to the answer": (GREY, 1, "xx"),
    "other": (GREY, 0.5, ""),
}
_STYLE = mpl.rc_params_from_file(
    Path(__file__).with_name("book.mplstyle"), use_default_template=False
)
P = ParamSpec("P")


def styled(draw: Callable[P, Picture]) -> Callable[P, Picture]:
    """Draw in the course's style without changing matplotlib's own."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Picture:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, with its alternative text."""

    svg: str
    alt: str
    caption: str = ""  #: below the figure; a page of the book numbers it

    def captioned(self, caption: str) -> Picture:
        """Return the figure with a caption."""
        return replace(self, caption=caption)

    def _repr_html_(self) -> str:
        drawing = f'<div class="drawing">{self.svg}</div>'
        if not self.caption:
            return f'<div class="picture">{drawing}</div>'
        caption = html.escape(self.caption, quote=False)
        return (
            f'<figure class="picture">{drawing}'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"


def series(name: str, place: int) -> Look:
    """Return color and marker of a series, by its name or its place."""
    by_place = COLORS[place % 6], MARKERS[place % 6]
    color, marker = _SERIES.get(name.replace("seed-", "seed "), by_place)
    return {"color": color, "marker": marker}


def part(name: str, place: int) -> Look:
    """Return fill and hatch of a part of a bar, by its name or place."""
    by_place = COLORS[place % 6], 1, HATCHES[place % 6]
    color, opacity, hatch = OUTCOMES.get(name, by_place)
    fill = to_rgba(color, opacity)
    return {"fc": fill, "hatch": hatch, "ec": INK, "linewidth": 0.6}


def picture(figure: Figure, alt: str) -> Picture:
    """Render a matplotlib figure as SVG, with alternative text."""
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
    points = re.search(r'width="([\d.]+)pt"', svg)
    pixels = round(float(points[1]) * 4 / 3) if points else 640
    letters = re.findall(r"font-size: ([\d.]+)px", svg)
    smallest = min(map(float, letters), default=SMALLEST)
    label = html.escape(alt, quote=True)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{label}" '
        'xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" '
        rf'style="width:100%;max-width:{pixels}px;height:auto;'
        # Narrower than this, its letters could not be read: it scrolls.
        rf'min-width:{round(pixels * SMALLEST / smallest)}px">',
        svg,
        count=1,
    )
    # Many figures share one page: a digest keeps their ids apart.
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    return Picture(_compact(svg), alt)


def _compact(svg: str) -> str:
    """Cut what no reader sees: digits, blanks, names nothing refers to.

    Coordinates keep a hundredth of a point. A page may hold ten figures.
    """
    fonts = r"('DejaVu Sans(?: Mono)?'),[^;\"]*, (sans-serif|monospace)"
    svg = re.sub(fonts, r"\1, \2", svg)
    svg = re.sub(
        r' (?:d|x|y|transform)="[^"]*"',
        lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match[0]),
        svg,
    )
    svg = svg.replace(' style="fill: none"/>', ' fill="none"/>')
    svg = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", svg)
    svg = re.sub(r" ?\n([LQCz]) ?", r"\1", svg)  # commands of a path
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(
        r' id="([^"]*)"',
        lambda match: match[0] if match[1] in used else "",
        svg,
    )
    svg = re.sub(r"<path [^>]* fill=\"none\"/>", "", svg)
    group, found = re.compile(r"<g>((?:(?!</?g\b).)*)</g>", re.DOTALL), 1
    while found:  # a group without a name or a clip path, innermost first
        svg, found = group.subn(r"\1", svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def listing(
    template: str, *columns: Iterable[object], separator: str = "; "
) -> str:
    """Describe rows of data in words: a filled-in template for each."""
    rows = zip(*columns, strict=True)
    return separator.join(template.format(*row) for row in rows)


def first_and_last(
    curves: Mapping[str, Sequence[float]],
    template: str = "{} from {:.3g} to {:.3g}",
) -> str:
    """Describe curves by their first and last values."""
    firsts = [values[0] for values in curves.values()]
    lasts = [values[-1] for values in curves.values()]
    return listing(template, curves, firsts, lasts)


def make_axes(
    width: float = 6.4, height: float = 3.2
) -> tuple[Figure, Axes]:
    """Create an empty figure, sized in inches, and its axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Create axes that fill the figure, without spines or ticks."""
    figure, axes = make_axes(width, height)
    figure.subplots_adjust(left=0, bottom=0, right=1, top=1)
    axes.axis("off")
    return figure, axes


def make_rows(names: Sequence[str], height: float) -> tuple[Figure, Axes]:
    """Create axes with one named row per entry, from top to bottom.

    Long names take their room from the axes: a figure that grew with them
    would be scaled down, letters and all, on a narrow page.
    """
    longest = max(map(len, names), default=0)
    width = 6.4 - 0.07 * max(0, longest - 6)
    figure, axes = make_axes(width=width, height=height)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
    return figure, axes


def centered(
    axes: Axes, x: float, y: float, text: str, **look: Any
) -> None:
    """Write text around a point; `look` goes to `Axes.text`."""
    axes.text(x, y, text, ha="center", va="center", **look)


def rounded_box(
    axes: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    radius: float,
    **look: Any,
) -> FancyBboxPatch:
    """Draw a box with rounded corners; `look` goes to the patch."""
    style = f"round,pad=0,rounding_size={radius}"
    width, height = size
    box = FancyBboxPatch(corner, width, height, boxstyle=style, **look)
    axes.add_patch(box)
    return box
