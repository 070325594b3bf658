"""Run a command that sends itself a signal at a named point.

    python -m tests.kill_at MODULE:NAME NUMBER SIGNAL COMMAND ...

The signal comes before the call of this number, counted from 1, of the
function of this name; of several processes, in that of rank `KILL_RANK`.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from itertools import count
from typing import Any

from unitconv.__main__ import main


def plant(point: str, number: int, name: str) -> None:
    """Make the function send the signal."""
    module, _, path = point.partition(":")
    *owners, attribute = path.split(".")
    owner: Any = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    function, calls = getattr(owner, attribute), count(1)

    def planted(*arguments: Any, **options: Any) -> Any:
        if next(calls) == number:
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])
        return function(*arguments, **options)

    setattr(owner, attribute, planted)


if __name__ == "__main__":
    # A process started where SIGINT is ignored would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    point, number, name, *command = sys.argv[1:]
    if os.environ.get("KILL_RANK") in (None, os.environ.get("RANK")):
        plant(point, int(number), name)
    sys.argv[1:] = command
    main()
