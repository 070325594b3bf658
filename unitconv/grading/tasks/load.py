"""Tasks by name: those of the package, and a reader's own."""

from __future__ import annotations

from unitconv.common.plugins import PluginError, import_attribute
from unitconv.grading.tasks.multiplication import MULTIPLICATION
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION

#: The tasks in the package.
TASKS = {task.name: task for task in (UNIT_CONVERSION, MULTIPLICATION)}


def load_task(name: str) -> Task:
    """Return one of `TASKS`, or import a `module:attribute`.

    Raises:
        PluginError: no such task or module, or the attribute is no `Task`.
    """
    if name in TASKS:
        return TASKS[name]
    task = import_attribute("task", name, TASKS)
    if not isinstance(task, Task):
        attribute = name.partition(":")[2]
        raise PluginError(
            f"task {name!r}: {attribute!r} is no Task but "
            f"{type(task).__name__}: write {attribute} = Task(...)"
        )
    return task
