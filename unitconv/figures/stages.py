"""Figures of evaluation: stages side by side, chance, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from unitconv.figures.svg import (
    BLUE,
    COLORS,
    GREY,
    INK,
    ORANGE,
    Picture,
    make_axes,
    make_rows,
    picture,
    styled,
)

Interval = tuple[float, float]


def _arms(
    values: Sequence[float], ranges: Sequence[Interval]
) -> list[list[float]]:
    """How far error bars reach: to the left, to the right."""
    pairs = list(zip(values, ranges, strict=True))
    return [
        [value - low for value, (low, _) in pairs],
        [high - value for value, (_, high) in pairs],
    ]


def _name_rows(axes: Axes, names: Sequence[str], above: bool) -> None:
    """Names before the rows; or above them, where they take no width."""
    axes.set_yticks(range(len(names)), [] if above else names)
    if above:
        axes.tick_params(axis="y", length=0)
        for row, name in enumerate(names):
            axes.text(0, row - 0.22, name)
    axes.set_ylim(len(names) - 0.5, -0.7 if above else -0.5)


@styled
def stage_rates(
    names: Sequence[str],
    accuracy: Sequence[float],
    ranges: Sequence[Interval],
    answered: Sequence[float],
    narrow: bool = False,
) -> Picture:
    """Accuracy with its 95 % interval, and the answer rate.

    Args:
        narrow: for a phone, with names above the rows and not before.
    """
    if narrow:
        figure, axes = make_axes(4.4, 0.9 + 0.5 * len(names))
    else:
        figure, axes = make_rows(names, 0.9 + 0.36 * len(names))
    rows = list(range(len(names)))
    for row, right, any_answer in zip(
        rows, accuracy, answered, strict=True
    ):
        axes.plot([right, any_answer], [row, row], color=GREY, alpha=0.5)
    axes.scatter(
        answered,
        rows,
        s=42,
        facecolors="none",
        edgecolors=ORANGE,
        zorder=3,
        label="answered at all",
    )
    axes.errorbar(
        accuracy,
        rows,
        xerr=_arms(accuracy, ranges),
        fmt="o",
        color=BLUE,
        capsize=3,
        zorder=4,
        label="right, with 95 % interval",
    )
    _name_rows(axes, names, above=narrow)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share of all questions")
    axes.grid(axis="x")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=1 if narrow else 2,
    )
    told = "; ".join(
        f"{name} right in {right:.2f} of all, answered in {share:.2f}"
        for name, right, share in zip(
            names, accuracy, answered, strict=True
        )
    )
    return picture(figure, f"Accuracy and answer rate: {told}.")


@styled
def chance(
    values: Sequence[float],
    mark: float,
    xlabel: str,
    label: str,
    both_sides: bool = False,
    width: float = 1.0,
) -> Picture:
    """How often chance alone gives what: a histogram with a mark.

    Args:
        values: what the simulated runs came to.
        mark: what was seen; the bars that reach as far stand out.
        label: names the mark.
        both_sides: as far as `mark` on the other side of zero counts too.
        width: the step from one possible value to the next: of a bar.
    """
    counts: dict[int, int] = {}
    for value in values:
        place = round(value / width)
        counts[place] = counts.get(place, 0) + 1
    figure, axes = make_axes(height=2.8)
    places = sorted(counts)
    edge = round(mark / width)
    far = [
        p for p in places if p >= edge or (both_sides and p <= -abs(edge))
    ]
    beyond = sum(counts[p] for p in far) / len(values)
    for chosen, color, name in (
        ([p for p in places if p not in far], GREY, "less than that"),
        (far, ORANGE, f"{label}: {beyond:.0%} of all"),
    ):
        axes.bar(
            [p * width for p in chosen],
            [counts[p] / len(values) for p in chosen],
            width=0.86 * width,
            color=color,
            label=name,
        )
    axes.set_xlabel(xlabel)
    axes.set_ylabel("share of simulations")
    axes.grid(axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2)
    return picture(
        figure,
        f"Histogram of {xlabel}, from {places[0] * width:g} to "
        f"{places[-1] * width:g}; {label}: {beyond:.0%} of the "
        "simulations.",
    )


@styled
def differences(
    names: Sequence[str],
    values: Sequence[float],
    ranges: Sequence[Interval],
    xlabel: str,
) -> Picture:
    """Differences with their 95 % intervals, around a line at zero.

    An interval that leaves out zero is drawn in colour.
    """
    figure, axes = make_rows(names, 0.7 + 0.27 * len(names))
    axes.axvline(0, color=INK, linewidth=0.8)
    rows = list(range(len(names)))
    clear = [low > 0 or high < 0 for low, high in ranges]
    for wanted, color in ((True, BLUE), (False, GREY)):
        chosen = [row for row in rows if clear[row] is wanted]
        axes.errorbar(
            [values[row] for row in chosen],
            chosen,
            xerr=_arms(
                [values[row] for row in chosen],
                [ranges[row] for row in chosen],
            ),
            fmt="o",
            color=color,
            capsize=3,
        )
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    told = "; ".join(
        f"{name} {value:+.3f} ({low:+.3f} to {high:+.3f})"
        for name, value, (low, high) in zip(
            names, values, ranges, strict=True
        )
    )
    return picture(figure, f"Differences with 95 % intervals: {told}.")


@styled
def before_after(
    groups: Sequence[str],
    shares: Mapping[str, Sequence[float]],
    xlabel: str,
) -> Picture:
    """One bar per stage in every group, in the order of the stages.

    Args:
        shares: stage -> its share in each of `groups`.
    """
    figure, axes = make_rows(groups, 1.0 + 0.5 * len(groups))
    height = 0.8 / len(shares)
    for index, (stage, values) in enumerate(shares.items()):
        axes.barh(
            [
                row - 0.4 + (index + 0.5) * height
                for row in range(len(groups))
            ],
            values,
            height=0.88 * height,
            color=COLORS[index],
            label=stage,
        )
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(shares)
    )
    told = "; ".join(
        f"{group}: "
        + ", ".join(
            f"{stage} {values[row]:.3f}" for stage, values in shares.items()
        )
        for row, group in enumerate(groups)
    )
    return picture(figure, f"Bars of {xlabel}. {told}.")


@styled
def errors_by_group(
    stages: Mapping[str, Mapping[str, Mapping[str, float]]],
    ranges: Mapping[str, Mapping[str, Interval]],
    xlabel: str,
) -> Picture:
    """What went wrong in each group: a stacked bar for every stage.

    Args:
        stages: stage -> group -> class of failure -> its share of the
            group; a class that nothing fell into is left out.
        ranges: stage -> group -> the interval of all failures together.
    """
    groups = list(next(iter(stages.values())))
    rows = [(group, stage) for group in groups for stage in stages]
    # A gap of one row between two groups, where the group's name stands.
    places = [i + i // len(stages) for i in range(len(rows))]
    figure, axes = make_axes(6.0, 0.9 + 0.21 * (places[-1] + 2))
    _stack(axes, places, [stages[stage][group] for group, stage in rows])
    totals = [sum(stages[stage][group].values()) for group, stage in rows]
    axes.errorbar(
        totals,
        places,
        xerr=_arms(totals, [ranges[stage][group] for group, stage in rows]),
        fmt="none",
        ecolor=INK,
        elinewidth=1,
        capsize=2.5,
    )
    for place, (group, _) in list(zip(places, rows, strict=True))[
        :: len(stages)
    ]:
        axes.text(0, place - 0.65, f" {group}", weight="bold")
    axes.set_yticks(places, [stage for _, stage in rows], fontsize=9)
    axes.set_ylim(places[-1] + 0.8, -1.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.12, 1.0), ncols=3)
    told = "; ".join(
        f"{group} {stage} {total:.2f}"
        + "".join(
            f", {name} {share:.2f}"
            for name, share in stages[stage][group].items()
            if share >= 0.005
        )
        for (group, stage), total in zip(rows, totals, strict=True)
    )
    return picture(figure, f"{xlabel}, and of each class: {told}.")


def _stack(
    axes: Axes, places: Sequence[int], bars: Sequence[Mapping[str, float]]
) -> None:
    """Bars of shares end to end, one colour a class."""
    lefts = [0.0] * len(bars)
    for name, color in zip(bars[0], (INK, *COLORS), strict=False):
        shares = [bar[name] for bar in bars]
        if not any(shares):
            continue
        axes.barh(places, shares, 0.78, lefts, color=color, label=name)
        lefts = [a + b for a, b in zip(lefts, shares, strict=True)]
