"""Figures of memory: what a stage keeps, part by part."""

from __future__ import annotations

from collections.abc import Mapping

from unitconv.figures.svg import (
    COLORS,
    INK,
    Picture,
    make_axes,
    picture,
    styled,
)

GB = 1e9


@styled
def memory_bars(
    stages: Mapping[str, Mapping[str, float]],
    marks: Mapping[str, float],
) -> Picture:
    """A bar a stage, stacked of its parts, in GB.

    Args:
        stages: name -> part -> bytes.
        marks: name -> bytes: drawn as a line across all bars.
    """
    figure, axes = make_axes(height=1.1 + 0.42 * len(stages))
    parts = list(
        dict.fromkeys(p for found in stages.values() for p in found)
    )
    ends = [0.0] * len(stages)
    for part, color in zip(parts, COLORS, strict=False):
        sizes = [found.get(part, 0) / GB for found in stages.values()]
        rows = range(len(stages))
        axes.barh(rows, sizes, left=ends, color=color, label=part)
        ends = [end + size for end, size in zip(ends, sizes, strict=True)]
    for name, size in marks.items():
        axes.axvline(size / GB, color=INK, linewidth=0.8, linestyle="--")
        axes.text(size / GB, -0.45, f" {name}", va="top")
    axes.set_yticks(range(len(stages)), list(stages))
    axes.set_ylim(len(stages) - 0.5, -0.5)
    axes.set_xlim(0, 1.12 * max([*ends, *(m / GB for m in marks.values())]))
    axes.set_xlabel("GB, computed")
    axes.grid(axis="x")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=min(3, len(parts)),
    )
    told = "; ".join(
        f"{name} {end:.2f}" for name, end in zip(stages, ends, strict=True)
    )
    limits = ", ".join(f"{k} {v / GB:.0f}" for k, v in marks.items())
    return picture(
        figure, f"Computed memory in GB: {told}. Lines: {limits or 'none'}."
    )
