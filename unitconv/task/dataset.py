"""Questions, and the JSON files they are read from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_json
from unitconv.task.prompts import PromptError, check_question

#: Questions that adapters are trained on.
TRAINING_SPLITS: tuple[str, ...] = ("train", "train_hard")
#: Questions that settings and the best epoch are chosen by.
VALIDATION_SPLITS: tuple[str, ...] = ("valid", "valid_hard")
#: The question sets in the package.
SPLITS: tuple[str, ...] = (
    *TRAINING_SPLITS,
    *VALIDATION_SPLITS,
    *("test", "test_hard"),
)
#: Name of the task whose question sets these are.
DEFAULT_TASK = "unit-conversion"
DATA = Path(__file__).with_name("data")


class DataError(UnitconvError):
    """A question file that cannot be read; names the file and the entry."""


@dataclass(frozen=True)
class Question:
    """A question for a model, and the number it is graded against."""

    text: str
    answer: float


def normalize(text: str) -> str:
    """Normalise case, spaces and the last mark, to compare questions."""
    return " ".join(text.casefold().split()).rstrip("?.! ")


def load_split(name: str) -> list[Question]:
    """Read one of `SPLITS` from the package.

    Raises:
        DataError: there is no such split.
    """
    if name not in SPLITS:
        raise DataError(
            f"unknown split {name!r}: choose from {', '.join(SPLITS)}"
        )
    return read_questions(DATA / f"{name}.json")


def load_splits(names: Sequence[str]) -> list[Question]:
    """Read several splits, one after the other."""
    return [question for name in names for question in load_split(name)]


def read_questions(path: str | Path) -> list[Question]:
    """Read the questions of a JSON file `[["question", answer], ...]`.

    Raises:
        DataError: no such file, not JSON, or an entry that is no pair of a
            question and a finite number. Entries are counted from 1.
    """
    # As numbers of any length: too large ones are named with their entry.
    entries = read_json(Path(path), DataError, parse_int=float)
    if not isinstance(entries, list) or not entries:
        raise DataError(
            f"{path}: expected a list with at least one entry, as in "
            '[["How many g are in 2 kg?", 2000]]'
        )
    return [
        _to_question(entry, f"{path}: entry {number}")
        for number, entry in enumerate(entries, start=1)
    ]


def _to_question(entry: object, where: str) -> Question:
    if not isinstance(entry, list) or len(entry) != 2:
        raise DataError(f"{where}: expected [question, answer]")
    text, answer = entry
    if not isinstance(text, str):
        raise DataError(f"{where}: the question must be a text")
    try:
        check_question(text)
    except PromptError as error:
        raise DataError(f"{where}: {error}") from error
    if not isinstance(answer, float):
        raise DataError(
            f"{where}: the answer must be a number, not {answer!r}"
        )
    if not math.isfinite(answer):
        raise DataError(f"{where}: the answer must be a finite number")
    return Question(text, answer)
