"""Run a submission's cells, in the sandbox, and serve its answers.

Started by `scripts.grading.sandbox`, with the number of a connection and
limits as arguments. All of it is within the submission's reach; it can
only send values, about which others decide.
"""

import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from scripts.grading.messages import Peer


class Shell(InteractiveShell):
    """A session in which ! needs no terminal."""

    system = InteractiveShell.system_raw


def new_shell() -> InteractiveShell:
    """Return a Python session as notebooks have it, without a kernel."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return Shell.instance(config=config)


def run_cell(shell: InteractiveShell, source: str) -> None:
    """Run a cell with its magics.

    Raises:
        BaseException: what the cell raises.
    """
    result = shell.run_cell(source)
    if error := result.error_before_exec or result.error_in_exec:
        raise error


def describe(error: BaseException) -> str:
    """Return an error's text and the line of the cell that raised it."""
    try:
        text = str(error)
    except BaseException:  # a text of the submission's own
        text = ""
    if isinstance(error, SyntaxError):
        return text
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith("<ipython-input")
    ]
    return f"{text} (line {lines[-1]})" if lines else text


def limit(limits: Mapping[str, int]) -> None:
    """Set hard limits on what this process and its children may use."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def serve(peer: Peer) -> None:
    """Do what the grader asks until it hangs up."""
    shell = new_shell()
    while True:
        try:
            message = peer.receive()
            if "run" in message:
                peer.answer(partial(run_cell, shell, message["run"]))
            elif "answers" in message:
                peer.answer(partial(evaluate, shell, message["answers"]))
            else:
                peer.answer_call(message)
        except EOFError:
            return
        except KeyboardInterrupt:  # late: what it was to stop is done
            continue


def evaluate(shell: InteractiveShell, names: list[str]) -> list[object]:
    return [shell.ev(name) for name in names]


def main(connection: str, *limits: str) -> None:
    written = (one.split("=") for one in limits)
    limit({name: int(value) for name, value in written})
    os.chdir(os.environ["HOME"])
    # A grader in the background ignores it, and what it starts would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, "")  # as Jupyter does, for a file that a cell wrote
    random.seed(0)
    serve(Peer(Connection(int(connection)), describe))


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # no exit handler of a submission
