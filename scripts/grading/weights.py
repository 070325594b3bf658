"""Weights of SmolLM2, for submissions of a chapter that asks for them."""

import shutil
from pathlib import Path

from scripts.grading.chapter import Chapter
from scripts.grading.sandbox import CACHE

WEIGHTS = "smollm2-q4_1"  # of the weights that chapters may load


def needs_weights(chapter: Chapter) -> bool:
    """Return whether a code cell names the weights."""
    return any(WEIGHTS in cell for cell in chapter.cells)


def copy_weights(packages: Path) -> None:
    """Copy the weights to the library that every submission can read.

    A copy keeps the grader's own cache out of reach, which may also be in
    a folder that only the grader can read. Weights that are not on this
    machine are fetched.

    Raises:
        WeightsError: they cannot be had, with the reason.
    """
    # PyTorch takes seconds to import, and other chapters need no weights.
    from unitconv.inference.weights.catalog import find_weights

    copy = packages / CACHE / WEIGHTS
    shutil.copytree(find_weights(WEIGHTS).folder, copy)
    for path in (copy.parent, copy, *copy.iterdir()):  # whatever the umask
        path.chmod(0o755 if path.is_dir() else 0o644)
