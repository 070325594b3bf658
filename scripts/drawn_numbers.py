"""Draw the numbers of exercises for each student.

scripts/drawn_numbers.yml says which. The draw depends on the student's
name and on a seed that the instructor keeps, so the grader draws the same.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import yaml
from nbformat import NotebookNode

from scripts.grading.chapter import find_attempts
from unitconv.common.errors import UnitconvError
from unitconv.task.make_splits import PUBLIC_SEEDS

NUMBERS = Path(__file__).with_suffix(".yml")
_EXERCISE = "```{exercise}"


class Draw:
    """The numbers of one student in one chapter.

    Args:
        chapter: such as 01_task.

    Raises:
        UnitconvError: no seed, or one that everybody knows.
    """

    def __init__(self, chapter: str, student: str, seed: str) -> None:
        if not seed or seed in map(str, PUBLIC_SEEDS):
            raise UnitconvError(
                f"numbers are drawn from a secret seed, not {seed!r}"
            )
        self._plan = yaml.safe_load(NUMBERS.read_text("utf-8")).get(
            chapter, {}
        )
        self._key = f"{seed} {student} {chapter}"

    def replaced(self, check: str) -> dict[str, str]:
        """Return new texts by the old ones, for the exercise of a check."""
        if check not in self._plan:
            return {}
        rng = random.Random(f"{self._key} {check}")
        ranges = self._plan[check]["draw"].items()
        numbers = {name: rng.randint(*ends) for name, ends in ranges}
        texts = self._plan[check]["replace"].items()
        return {old: new.format(**numbers) for old, new in texts}

    def cell(self, check: str, source: str) -> str:
        """Return an exercise's code with the student's numbers.

        Raises:
            UnitconvError: the chapter no longer has these numbers.
        """
        texts = self.replaced(check)
        if texts and not any(old in source for old in texts):
            raise UnitconvError(
                f"drawn_numbers.yml does not fit {check}: it replaces none"
            )
        return _replace(source, texts)

    def put_into(self, notebook: NotebookNode) -> None:
        """Write the numbers into a chapter's exercises and their texts."""
        for text, cell, check in _exercises(notebook):
            cell.source = self.cell(check, cell.source)
            if text is not None:
                before, mark, asked = text.source.rpartition(_EXERCISE)
                asked = _replace(asked, self.replaced(check))
                text.source = before + mark + asked


def _replace(source: str, texts: dict[str, str]) -> str:
    for old, new in texts.items():
        source = source.replace(old, new)
    return source


def _exercises(
    notebook: NotebookNode,
) -> Iterator[tuple[NotebookNode | None, NotebookNode, str]]:
    """Yield each exercise's text, its cell, and the name of its check."""
    text = None
    for cell in notebook.cells:
        if _EXERCISE in cell.source:
            text = cell
        elif "exercise" in cell.metadata.get("tags", []):
            [check] = find_attempts(cell.source)
            yield text, cell, check
            text = None
