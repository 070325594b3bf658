"""Figures of bars: shares, counts, probabilities, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from unitconv.figures.intervals import Interval, arms
from unitconv.figures.svg import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Look,
    Picture,
    first_and_last,
    listing,
    make_axes,
    make_rows,
    part,
    picture,
    series,
    styled,
)

GB = 1e9


def _stack(
    axes: Axes,
    rows: Sequence[float],
    bars: Sequence[Mapping[str, float]],
    height: float,
) -> list[float]:
    """Draw a stacked horizontal bar for each map; return their lengths.

    The legend leaves out parts that no bar has.
    """
    ends = [0.0] * len(bars)
    parts = dict.fromkeys(name for bar in bars for name in bar)
    for place, name in enumerate(parts):
        sizes = [bar.get(name, 0) for bar in bars]
        if any(sizes):
            look = part(name, place)
            axes.barh(rows, sizes, height, ends, label=name, **look)
            ends = [a + b for a, b in zip(ends, sizes, strict=True)]
    return ends


@styled
def outcome_bars(
    runs: Mapping[str, Mapping[str, int]], order: Sequence[str]
) -> Picture:
    """Draw the share of each outcome, from left to right in `order`."""
    figure, axes = make_axes(height=0.9 + 0.4 * len(runs))
    bars = [
        {key: run.get(key, 0) / sum(run.values()) for key in order}
        for run in runs.values()
    ]
    _stack(axes, range(len(runs)), bars, height=0.6)
    axes.set_yticks(range(len(runs)), list(runs))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of all completions")
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3)
    shares = [
        ", ".join(f"{share:.2f} {key}" for key, share in bar.items())
        for bar in bars
    ]
    rows = listing("{}: {}", runs, shares)
    return picture(figure, f"Shares of completions. {rows}.")


@styled
def memory_bars(
    stages: Mapping[str, Mapping[str, float]], marks: Mapping[str, float]
) -> Picture:
    """Draw the bytes of each stage by part; `marks` are lines across."""
    figure, axes = make_axes(height=1.1 + 0.42 * len(stages))
    bars = [{p: n / GB for p, n in bar.items()} for bar in stages.values()]
    ends = _stack(axes, range(len(bars)), bars, height=0.8)
    limits = {name: size / GB for name, size in marks.items()}
    for name, size in limits.items():
        axes.axvline(size, color=INK, linewidth=0.8, linestyle="--")
        axes.text(size, -0.45, f" {name}", va="top")
    axes.set_yticks(range(len(bars)), list(stages))
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 1.12 * max([*ends, *limits.values()]))
    axes.set_xlabel("GB, computed")
    axes.grid(axis="x")
    columns = min(3, len({part for bar in bars for part in bar}))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=columns)
    sizes = listing("{} {:.2f}", stages, ends)
    lines = ", ".join(
        f"{name} at {size:.0f}" for name, size in limits.items()
    )
    alt = f"Computed memory in GB: {sizes}. Lines: {lines or 'none'}."
    return picture(figure, alt)


@styled
def errors_by_group(
    stages: Mapping[str, Mapping[str, Mapping[str, float]]],
    ranges: Mapping[str, Mapping[str, Interval]],
    xlabel: str,
) -> Picture:
    """Draw the failures of each group: a stacked bar for every stage.

    Args:
        stages: stage -> group -> failure class -> its share of the group.
        ranges: stage -> group -> the interval of all failures together.
        xlabel: name of the axis, also used in the description.
    """
    groups = list(next(iter(stages.values())))
    rows = [(group, stage) for group in groups for stage in stages]
    # A gap of one row between two groups, where the group's name stands.
    places = [i + i // len(stages) for i in range(len(rows))]
    figure, axes = make_axes(6.0, 0.9 + 0.21 * (places[-1] + 2))
    bars = [stages[stage][group] for group, stage in rows]
    totals = _stack(axes, places, bars, 0.78)
    ends = [ranges[stage][group] for group, stage in rows]
    reach = arms(zip(totals, ends, strict=True))
    look: Look = {"ecolor": INK, "elinewidth": 1, "capsize": 2.5}
    axes.errorbar(totals, places, xerr=reach, fmt="none", **look)
    for group, place in zip(groups, places[:: len(stages)], strict=True):
        axes.text(0, place - 0.65, f" {group}", weight="bold")
    axes.set_yticks(places, [stage for _, stage in rows], fontsize=9)
    axes.set_ylim(places[-1] + 0.8, -1.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.12, 1.0), ncols=3)
    classes = [
        "".join(f", {k} {v:.2f}" for k, v in bar.items() if v >= 0.005)
        for bar in bars
    ]
    names = [f"{group} {stage}" for group, stage in rows]
    failures = listing("{} {:.2f}{}", names, totals, classes)
    return picture(figure, f"{xlabel}, and of each class: {failures}.")


@styled
def before_after(
    groups: Sequence[str],
    shares: Mapping[str, Sequence[float]],
    xlabel: str,
) -> Picture:
    """Draw one bar per stage in every group, in the order of `shares`."""
    figure, axes = make_rows(groups, 1.0 + 0.5 * len(groups))
    height = 0.8 / len(shares)
    for index, (stage, values) in enumerate(shares.items()):
        shift = (index + 0.5) * height - 0.4
        places = [row + shift for row in range(len(groups))]
        look = part(stage, index) | {"fc": series(stage, index)["color"]}
        axes.barh(places, values, 0.88 * height, label=stage, **look)
    axes.set_xlabel(xlabel)
    columns = len(shares)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=columns)
    values_of = [
        ", ".join(f"{k} {values[row]:.3f}" for k, values in shares.items())
        for row in range(len(groups))
    ]
    rows = listing("{}: {}", groups, values_of)
    return picture(figure, f"Bars of {xlabel}. {rows}.")


@styled
def chance(
    values: Sequence[float],
    mark: float,
    xlabel: str,
    label: str,
    both_sides: bool = False,
    width: float = 1.0,
) -> Picture:
    """Draw a histogram of simulated results, with the tail marked.

    The tail begins at `mark`, which `label` names; `both_sides` adds
    results as far below zero. `width` is that of a bar.
    """
    counts = Counter(round(value / width) for value in values)
    edge = round(mark / width)
    tail = {
        p for p in counts if p >= edge or (both_sides and p <= -abs(edge))
    }
    share = sum(counts[place] for place in tail) / len(values)
    figure, axes = make_axes(height=2.8)
    for places, color, hatch, name in (
        (sorted(set(counts) - tail), GREY, "", "less than that"),
        (sorted(tail), ORANGE, "//", f"{label}: {share:.0%} of all"),
    ):
        look: Look = {"fc": color, "hatch": hatch, "ec": INK, "lw": 0.3}
        xs = [place * width for place in places]
        heights = [counts[place] / len(values) for place in places]
        axes.bar(xs, heights, width=0.86 * width, label=name, **look)
    axes.set(xlabel=xlabel, ylabel="share of simulations")
    axes.grid(axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2)
    low, high = min(counts) * width, max(counts) * width
    return picture(
        figure,
        f"Histogram of {xlabel}, from {low:g} to {high:g}; {label}: "
        f"{share:.0%} of the simulations.",
    )


@styled
def path_counts(counts: Sequence[int]) -> Picture:
    """Draw how many questions have 0, 1, 2, ... distinct kept paths."""
    figure, axes = make_axes(height=2.6)
    sizes = range(max(counts, default=0) + 1)
    heights = [list(counts).count(size) for size in sizes]
    axes.bar(sizes, heights, color=BLUE)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xticks=sizes, xlabel="distinct kept paths", ylabel="questions")
    bars = listing("{} with {}", heights, sizes, separator=", ")
    title = "Questions by their number of distinct kept paths"
    return picture(figure, f"{title}: {bars}.")


@styled
def cache_work(prompt_tokens: int, new_tokens: int) -> Picture:
    """Plot all tokens read up to each step, with and without a KV cache."""
    figure, axes = make_axes()
    steps = list(range(1, new_tokens + 1))
    work = {
        "no cache": [n * prompt_tokens + n * (n - 1) // 2 for n in steps],
        "with the cache": [prompt_tokens + n - 1 for n in steps],
    }
    for (name, read), color, marker in zip(
        work.items(), (ORANGE, BLUE), "so", strict=True
    ):
        look: Look = {"color": color, "marker": marker, "markersize": 4}
        axes.plot(steps, read, label=name, **look)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="new tokens", ylabel="tokens read in all")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left")
    totals = first_and_last(work, "{} from {:.0f} to {:.0f}")
    return picture(figure, f"Tokens read for each new token: {totals}.")
