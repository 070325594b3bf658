"""Record of the trained stages: every seed, and paired comparisons.

`experiments.train_adapters` writes `results/stages.json`. Its splits,
stages and pairs are taken as they come, in its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from unitconv.common.files.json_file import read_object
from unitconv.evaluation.leaderboard.record import RecordError, stage_link
from unitconv.evaluation.stats import PairedComparison, holm

STAGE_RECORD = Path(__file__).parents[1] / "results" / "stages.json"
# Means over the seeds: a key of the record, and its column.
SEED_RATES = {
    "answer_rate": "answered",
    "reasoning_validity": "valid",
    "steps": "in steps",
}
SUMMARY_HEADS = (
    *("questions", "stage", "against", "difference by seed"),
    *("Holm p", "verdict by seed"),
)


@dataclass(frozen=True)
class StageComparison:
    """Two stages of one seed on the same questions of one split."""

    split: str
    seed: str  # "-" of two prompts, which no seed changes
    first: str  # the rival
    second: str
    paired: PairedComparison
    adjusted_p: float  # by Holm, of all comparisons on the split

    @property
    def verdict(self) -> str:
        """The second stage is "better" or "worse", or it is "not shown"."""
        return self.paired.verdict(self.adjusted_p)


def read_stages(path: Path = STAGE_RECORD) -> dict[str, Any]:
    """Read the record of all stages.

    Raises:
        RecordError: it cannot be read; names the file.
    """
    return read_object(path, RecordError)


def stage_comparisons(record: Mapping[str, Any]) -> list[StageComparison]:
    """List the paired comparisons: by split, pair and seed.

    Holm's method covers the comparisons of all seeds on one split.
    """
    adjusted: list[StageComparison] = []
    for _, group in groupby(_comparisons(record), key=lambda c: c.split):
        of_split = list(group)
        p_values = holm([c.paired.p_value for c in of_split])
        adjusted += [
            replace(c, adjusted_p=p)
            for c, p in zip(of_split, p_values, strict=True)
        ]
    return adjusted


def _comparisons(record: Mapping[str, Any]) -> Iterator[StageComparison]:
    seeds = record["seeds"]
    first_seed = next(iter(seeds.values()))
    for split, pairs in first_seed["compared"].items():
        prompts = record.get("prompts", {}).get(split, {})
        for pair in pairs:
            first, second = pair.split()
            is_trained = not {first, second} <= prompts.keys()
            runs = seeds if is_trained else {"-": first_seed}
            for seed, run in runs.items():
                data = run["compared"][split][pair]
                paired = PairedComparison.from_json(data)
                yield StageComparison(
                    split=split,
                    seed=seed,
                    first=first,
                    second=second,
                    paired=paired,
                    adjusted_p=paired.p_value,
                )


def p_text(p: float, digits: int = 1) -> str:
    """Write a p-value with few digits, and a tiny one as a bound."""
    return f"{p:.{digits}g}" if p >= 1e-9 else "< 1e-9"


def summary_cells(
    comparisons: Sequence[StageComparison],
) -> Iterator[list[str]]:
    """Format one row for each split and pair: see `SUMMARY_HEADS`."""
    for (split, first, second), group in groupby(
        comparisons, key=lambda c: (c.split, c.first, c.second)
    ):
        seeds = list(group)
        verdicts = Counter(c.verdict for c in seeds)
        yield [
            split,
            second,
            first,
            "  ".join(f"{c.paired.difference:+.3f}" for c in seeds),
            p_text(max(c.adjusted_p for c in seeds)),
            ", ".join(
                f"{count} {word}" for word, count in verdicts.items()
            ),
        ]


def seeds_markdown() -> str:
    """Write a table for each split: every stage, with all its seeds."""
    record = read_stages()
    seeds = record["seeds"]
    first_seed = next(iter(seeds.values()))
    heads = ["stage", "n", *seeds, "mean", "sd", *SEED_RATES.values()]
    blocks = []
    for split, trained in first_seed["rates"].items():
        prompts = record.get("prompts", {}).get(split, {})
        reports = {name: [report] for name, report in prompts.items()} | {
            name: [run["rates"][split][name] for run in seeds.values()]
            for name in trained
            if name not in prompts
        }
        rows = [
            _seed_cells(name, of_seeds, len(seeds))
            for name, of_seeds in reports.items()
        ]
        blocks.append(_table(f"**{split}**", heads, rows))
    return "\n\n".join(blocks)


def _seed_cells(
    name: str, reports: Sequence[Mapping[str, Any]], n_seeds: int
) -> list[str]:
    values = [report["accuracy"] for report in reports]
    is_trained = len(values) == n_seeds
    by_seed = [f"{value:.3f}" for value in values]
    return [
        stage_link(name),
        str(reports[0]["n"]),
        *(by_seed if is_trained else ["-"] * n_seeds),
        f"{mean(values):.3f}",
        f"{stdev(values):.3f}" if len(values) > 1 else "-",
        *(_mean_of(reports, rate) for rate in SEED_RATES),
    ]


def _mean_of(reports: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [report.get(name) for report in reports]
    known = [value for value in values if value is not None]
    return f"{mean(known):.3f}" if len(known) == len(values) else "-"


def comparisons_markdown() -> str:
    """Write a table for each split: every paired comparison and seed."""
    heads = [
        *("stage", "against", "seed", "lost, gained", "difference"),
        *("simple 95 %", "clustered 95 %", "p", "Holm", "verdict"),
    ]
    blocks = []
    found = stage_comparisons(read_stages())
    for split, group in groupby(found, key=lambda c: c.split):
        rows = [_comparison_cells(c) for c in group]
        title = f"**{split}** ({len(rows)} comparisons)"
        blocks.append(_table(title, heads, rows, n_left=3))
    return "\n\n".join(blocks)


def _comparison_cells(comparison: StageComparison) -> list[str]:
    paired = comparison.paired
    return [
        stage_link(comparison.second),
        stage_link(comparison.first),
        comparison.seed,
        f"{paired.only_a}, {paired.only_b}",
        f"{paired.difference:+.3f}",
        _ends(paired.ci95),
        _ends(paired.clustered_ci95),
        p_text(paired.p_value),
        p_text(comparison.adjusted_p),
        comparison.verdict,
    ]


def _ends(interval: tuple[float, float] | None) -> str:
    # The space does not break, so that an interval stays on one line.
    return "{:+.3f},\u00a0{:+.3f}".format(*interval) if interval else "-"


def _table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    n_left: int = 1,
) -> str:
    ruler = ["---" if i < n_left else "--:" for i in range(len(heads))]
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ruler, *rows)]
    return "\n".join([title, "", *lines])
