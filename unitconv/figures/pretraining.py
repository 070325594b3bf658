"""Figures of pretraining: losses, and what is learned when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unitconv.figures.svg import COLORS, Picture, make_axes, picture, styled


@styled
def losses(
    runs: Mapping[str, Sequence[float]], tokens_per_step: Mapping[str, int]
) -> Picture:
    """Training loss (nats a token) over tokens read, one line per run.

    Losses are averaged over a fiftieth of the run, both axes are
    logarithmic: early learning is fast and late learning is small.
    """
    figure, axes = make_axes()
    ends = []
    for (name, values), color in zip(runs.items(), COLORS, strict=False):
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


@styled
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
    figure, axes = make_axes(height=3.6)
    for (name, values), color in zip(rates.items(), COLORS, strict=False):
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
