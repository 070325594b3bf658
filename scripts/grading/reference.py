"""Run the course's chapter, and its checks on answers from elsewhere.

Started by `Reference`, it reads the chapter's path, a folder, a key and
perhaps a file of hidden checks from its input. After the cell of each
exercise the process is forked: the copy, with the chapter as it is there,
waits at FOLDER/CHECK and forks once more for each answer to be checked. So
no check sees what another one left behind.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import psutil
from IPython.core.interactiveshell import InteractiveShell

from scripts.grading.chapter import Exercise, read_chapter
from scripts.grading.messages import AnswerError, Peer, one_line
from scripts.grading.sandbox import ENVIRONMENT
from scripts.grading.worker import describe, limit, new_shell, run_cell
from scripts.move_repository import ROOT
from unitconv.common.errors import UnitconvError
from unitconv.common.exercises import UNWRITTEN

PLAIN = {
    "NotImplementedError": UNWRITTEN,
    "KeyboardInterrupt": "it took too long and was stopped",
}
Check = Callable[..., Iterable[tuple[bool, str]] | None]


class Verdict(TypedDict):
    """What a check says of an answer."""

    check: str
    solved: bool
    parts: int  # of a check with parts: how many hold
    text: str


def judge(check: Check, peer: Peer, names: list[str]) -> Verdict:
    """Run a check; of one that is `in_parts`, count the parts."""
    held, missing = 0, []
    try:
        answers = peer.ask(answers=names)
        parts = getattr(check, "__wrapped__", check)
        for holds, text in parts(*answers) or ():
            held += bool(holds)
            missing += [] if holds else [text]
    except AssertionError as error:
        missing.append(str(error))
    except AnswerError as error:
        missing.append(PLAIN.get(error.kind, str(error)))
    except Exception as error:
        missing.append(f"{type(error).__name__}: {error}")
    text = "Solved."
    if missing:
        text = f"Not yet: {one_line(missing[0][:500])}."
    return {
        "check": getattr(check, "__name__", "checks"),
        "solved": not missing,
        "parts": held,
        "text": text,
    }


def hidden_checks(
    source: str, check: str, namespace: dict[str, Any]
) -> list[Check]:
    """Return the hidden functions CHECK and CHECK_..., by name."""
    space = dict(namespace)
    before = space.get(check)
    exec(compile(source, "hidden checks", "exec"), space)
    return [
        value
        for name, value in sorted(space.items())
        if (name == check and value is not before)
        or (name.startswith(f"{check}_") and name not in namespace)
    ]


def _fail(error: Exception, *answers: object) -> None:
    raise error


def answer_one(
    connection: Connection,
    exercise: Exercise,
    shell: InteractiveShell,
    hidden: str,
) -> None:
    """Ask for answers; send what the visible and hidden checks say."""
    peer = Peer(connection)
    request = peer.receive()
    signal.alarm(request["seconds"])  # ends the process
    mapped = psutil.Process().memory_info().vms
    limit({"RLIMIT_AS": mapped + request["memory"]})  # for a huge answer
    if request["cell"]:  # with the numbers of one student
        run_cell(shell, request["cell"])
    space: dict[str, Any] = shell.user_ns
    checks = [space[exercise.check]]
    try:
        checks += hidden_checks(hidden, exercise.check, space)
    except Exception as error:  # a fault of theirs, which all marks show
        checks.append(partial(_fail, error))
    verdicts = [judge(check, peer, request["names"]) for check in checks]
    peer.send(verdicts=verdicts)


def keep(
    listener: Listener, answer: Callable[[Connection], None]
) -> NoReturn:
    """Fork for each answer to be checked, for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        with suppress(AuthenticationError, OSError, EOFError):
            connection = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                try:
                    answer(connection)
                finally:
                    os._exit(0)
            connection.close()


def run_chapter(path: Path, key: bytes, hidden: str) -> list[Listener]:
    """Run the cells; leave a process for each exercise.

    Returns:
        The addresses of these, which are gone when closed or collected.
    """
    chapter, shell = read_chapter(path), new_shell()
    exercises = {one.place: one for one in chapter.exercises}
    listeners = []
    for place, cell in enumerate(chapter.cells):
        run_cell(shell, cell)
        if exercise := exercises.get(place):
            name = exercise.check  # in the present folder
            listener = Listener(name, "AF_UNIX", authkey=key)
            listeners.append(listener)
            if not os.fork():
                keep(
                    listener,
                    partial(
                        answer_one,
                        exercise=exercise,
                        shell=shell,
                        hidden=hidden,
                    ),
                )
    return listeners


def main() -> None:
    """Run a chapter as the `Reference` asks; then wait for its end."""
    task = json.loads(sys.stdin.readline())
    report, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    text, listening = "", []
    try:
        listening = run_chapter(
            Path(task["chapter"]),
            bytes.fromhex(task["key"]),
            task["hidden"],
        )
    except BaseException as error:
        text = f"{type(error).__name__}: {describe(error)}"
    with suppress(OSError):  # the grader may have ended already
        os.write(report, json.dumps(text).encode() + b"\n")
        sys.stdin.read()  # until the grader ends, however it does
    del listening
    os.killpg(0, signal.SIGKILL)


class Reference:
    """A run of the chapter by which answers are checked.

    Args:
        hidden: Python code with more checks, named CHECK or CHECK_....

    Raises:
        UnitconvError: a cell of the chapter fails.
    """

    def __init__(self, chapter: Path, hidden: str = "") -> None:
        self.folder = tempfile.TemporaryDirectory()
        self._key = secrets.token_bytes()
        here = {"PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.grading.reference"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ENVIRONMENT | here,
            cwd=self.folder.name,
            start_new_session=True,
            text=True,
        )
        task = {"chapter": str(chapter.absolute()), "hidden": hidden}
        task["key"] = self._key.hex()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(task) + "\n")
        stdin.flush()
        if error := json.loads(stdout.readline() or '"it was killed"'):
            self.close()
            raise UnitconvError(f"the course's {chapter} fails: {error}")

    def connect(self, check: str) -> Connection:
        """Return a connection to a fresh copy of the chapter at a check."""
        address = os.path.join(self.folder.name, check)
        return Client(address, "AF_UNIX", authkey=self._key)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self.folder.cleanup()


if __name__ == "__main__":
    main()
