"""Rows of results as text: for the terminal, and Markdown for the book."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from string import ascii_lowercase

from unitconv.evaluation.leaderboard import STAGES, Row, Setting
from unitconv.evaluation.stats import Proportion

HEADS = (
    *("questions", "stage", "n", "accuracy", "answered"),
    *("reasoning valid", "s", "at"),
)


def share(rate: Proportion, asked: int) -> str:
    """A rate with its interval, and its cases if they are not all asked."""
    if not rate.n:
        return "-"
    low, high = rate.ci95
    text = f"{rate.value:.3f} [{low:.3f}, {high:.3f}]"
    return text if rate.n == asked else f"{text} of {rate.n}"


def cells(row: Row, where: str) -> list[str]:
    """One row, in the order of `HEADS`."""
    n = row.accuracy.n
    rates = (row.accuracy, row.answered, row.valid)
    return [
        *(row.split, row.stage, str(n)),
        *(share(rate, n) for rate in rates),
        f"{row.seconds:.0f}" if row.seconds >= 10 else f"{row.seconds:.1f}",
        where,
    ]


SHORT_HEADS = (
    *("questions", "stage", "n", "right", "95 %"),
    *("answered", "valid", "s", "at"),
)


def short_cells(row: Row, where: str) -> list[str]:
    """One row for a terminal: the interval of the accuracy alone."""
    n = row.accuracy.n
    low, high = row.accuracy.ci95
    others = [
        "-" if not r.n else f"{r.value:.3f}" + f" ({r.n})" * (r.n != n)
        for r in (row.answered, row.valid)
    ]
    return [
        *(row.split, row.stage, str(n)),
        *(f"{row.accuracy.value:.3f}", f"{low:.3f}-{high:.3f}"),
        *(*others, f"{row.seconds:.0f}", where),
    ]


def letters(rows: Sequence[Row]) -> dict[Setting, str]:
    """A letter for each place, day and set of versions: a, b, ... z, aa."""
    settings = list(dict.fromkeys(row.setting for row in rows))
    size = len(ascii_lowercase)
    return {
        setting: ascii_lowercase[i % size] * (1 + i // size)
        for i, setting in enumerate(settings)
    }


def describe(setting: Setting) -> str:
    """A setting in words, as far as its record tells."""
    parts = [setting.machine or "machine not recorded"]
    if setting.device:
        parts.append(f"on {setting.device}")
    if setting.threads and setting.device == "cpu":
        parts.append(f"threads: {setting.threads}")
    if setting.dtype:
        parts.append(setting.dtype)
    used = ", ".join(f"{name} {v}" for name, v in setting.versions)
    day = setting.day or "date not recorded"
    return f"{', '.join(parts)}; {used or 'versions not recorded'}; {day}"


def markdown(rows: Sequence[Row]) -> str:
    """A table a model, its stages linked, and the places below.

    Links are those of a page in `book/`.
    """
    names = letters(rows)
    blocks = []
    for model, some in groupby(rows, key=lambda row: row.model):
        lines = [
            f"**{escape(model)}**",
            "",
            "| " + " | ".join(HEADS) + " |",
            "|---|---|--:|--:|--:|--:|--:|---|",
        ]
        for row in some:
            plain = [escape(c) for c in cells(row, names[row.setting])]
            plain[1] = f"[{row.stage}](../{STAGES[row.stage].page}.ipynb)"
            lines.append("| " + " | ".join(plain) + " |")
        blocks.append("\n".join(lines))
    places = "\n".join(
        f"- **{letter}**: {escape(describe(setting))}"
        for setting, letter in names.items()
    )
    return "\n\n".join([*blocks, places])


def stages_markdown(rows: Sequence[Row]) -> str:
    """What the stages that occur are, and where each is explained."""
    found = {row.stage for row in rows}
    return "\n".join(
        f"- [{name}](../{stage.page}.ipynb): {stage.what}"
        for name, stage in STAGES.items()
        if name in found
    )


def escape(text: str) -> str:
    """Text of a record as itself: no markup, and no line of its own.

    An interval is kept on one line.
    """
    flat = " ".join(text.split())
    flat = re.sub(r"([\\`*_{}\[\]<>|#!&$])", r"\\\1", flat)
    return re.sub(r"(\\\[[\d.]+,) ", "\\1\u00a0", flat)
