"""Estimate how many minutes a chapter takes to read.

    python -m scripts.reading_time

prints an estimate for each chapter beside what its opening says. Exercises
and references are not in it, because readers choose them.
"""

import re
from pathlib import Path

import jupytext

from scripts.move_repository import ROOT

PROSE, CODE = 200, 130  # words a minute
FIGURE = 0.5  # minutes
NOT_READ = re.compile(
    r"^# ## (Exercises|References)\n.*?(?=^# ## |\Z)", re.M | re.S
)
FIGURE_CALL = re.compile(r"^figures\.", re.M)


def minutes(script: Path) -> int:
    """Return the minutes to read a chapter, to the nearest five."""
    text = NOT_READ.sub("", script.read_text(encoding="utf-8"))
    cells = jupytext.reads(text, fmt="py:percent").cells
    total = 0.0
    for cell in cells:
        words = len(cell.source.split())
        if cell.cell_type == "markdown":
            total += words / PROSE
        elif "remove-cell" not in cell.metadata.get("tags", []):
            total += words / CODE
            total += FIGURE * len(FIGURE_CALL.findall(cell.source))
    return 5 * round(total / 5)


if __name__ == "__main__":
    for script in sorted((ROOT / "notebooks").glob("*.py")):
        text = " ".join(script.read_text(encoding="utf-8").split("\n# "))
        stated = re.search(r"(\d+) minutes to read", text)
        says = stated[1] if stated else "nothing"
        print(f"{script.stem}: {minutes(script)} (the opening says {says})")
