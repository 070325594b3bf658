"""Tasks by name: those of the package, and a reader's own."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from unitconv.common.errors import UnitconvError
from unitconv.grading.tasks.multiplication import MULTIPLICATION
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION

#: The tasks in the package.
TASKS = {task.name: task for task in (UNIT_CONVERSION, MULTIPLICATION)}


class TaskError(UnitconvError):
    """A task that cannot be found or imported."""


def load_task(name: str) -> Task:
    """Return one of `TASKS`, or import a `module:attribute`.

    The module may lie in the current folder.

    Raises:
        TaskError: no such task or module, or the attribute is no `Task`.
    """
    if name in TASKS:
        return TASKS[name]
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise TaskError(
            f"unknown task {name!r}: choose from {', '.join(TASKS)}, or "
            "name your own as module:attribute"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        # At the end: a file of the reader's must not replace a library.
        sys.path.append(here)
    try:
        module = import_module(module_name)
    except Exception as error:
        raise TaskError(
            f"task {name!r}: the module {module_name!r} cannot be imported "
            f"({type(error).__name__}: {error}): run the command in its "
            "folder, and see that `python -c 'import ...'` accepts it"
        ) from error
    task = getattr(module, attribute, None)
    if not isinstance(task, Task):
        raise TaskError(
            f"task {name!r}: {attribute!r} in {module.__file__} is no Task "
            f"but {type(task).__name__}: write {attribute} = Task(...)"
        )
    return task
