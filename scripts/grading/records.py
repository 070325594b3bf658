"""Results of an earlier call, so that a class is graded once."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from scripts.grading.session import Mark, Result
from scripts.grading.task import Task
from unitconv.common.io import write_json

FAULT = "a fault of the grader, tell us"


class Records:
    """Results of an earlier call, by all that they depend on."""

    def __init__(self, path: Path | None, *depends_on: object) -> None:
        self.path, self.depends_on = path, repr(depends_on)
        self.known: dict[str, Result] = {}
        if path and path.exists():
            for key, record in json.loads(path.read_text("utf-8")).items():
                marks = [
                    Mark(**mark | {"hidden": tuple(mark["hidden"])})
                    for mark in record.pop("marks")
                ]
                self.known[key] = Result(**record, marks=marks)

    def find(self, task: Task) -> bool:
        """Fill in a task's result if it is known."""
        if known := self.known.get(self._key(task)):
            task.result.marks, task.result.errors = (
                known.marks,
                known.errors,
            )
            task.result.reason = known.reason
        return known is not None

    def add(self, task: Task) -> None:
        if not task.trials or task.result.reason.startswith(FAULT):
            return
        self.known[self._key(task)] = task.result
        if self.path:
            data = {key: asdict(one) for key, one in self.known.items()}
            write_json(data, self.path)

    def _key(self, task: Task) -> str:
        text = repr((task.cells, task.trials, self.depends_on))
        return hashlib.sha256(text.encode()).hexdigest()
