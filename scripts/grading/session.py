"""Grade one submission: run its cells, and have its answers checked."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from signal import SIGINT, SIGKILL, SIGXCPU, Signals
from subprocess import TimeoutExpired

from scripts.grading.messages import LONGEST, one_line
from scripts.grading.reference import Reference, Verdict
from scripts.grading.sandbox import GRACE, Sandbox, Worker
from scripts.grading.submission import Trials
from scripts.grading.watch import Watch
from unitconv.common.exercises import UNWRITTEN

MOST_ERRORS = 20  # of cells, that a student is told
UNSEEN = "Not yet: the notebook stopped before it."
NOTHING = f"Not yet: {UNWRITTEN}."
_MEMORY = ("MemoryError", "Cannot allocate memory", "can't allocate memory")


@dataclass(frozen=True)
class Mark:
    """What an exercise earns, and why."""

    check: str
    points: int
    out_of: int
    text: str
    hidden: tuple[Verdict, ...] = ()

    @property
    def solved(self) -> bool:
        return self.text == "Solved."

    @property
    def is_empty(self) -> bool:
        return not self.points and self.text in (UNSEEN, NOTHING)

    @property
    def held(self) -> int:
        """Return how many hidden checks hold."""
        return sum(verdict["solved"] for verdict in self.hidden)


@dataclass
class Result:
    """Marks of a submission, and what kept it from running to its end."""

    student: str
    file: str
    reason: str = ""
    marks: list[Mark] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class StoppedError(Exception):
    """The submission's process is of no more use; the message says why."""


class Session:
    """A submission that runs, with its clock."""

    def __init__(self, worker: Worker, watch: Watch) -> None:
        self.worker, self.watch = worker, watch
        self.limits = watch.limits

    def ask(self, message: bytes, until: float) -> bytes:
        """Send a message; return the reply, at the latest after `GRACE`.

        Raises:
            StoppedError: there will be no reply.
        """
        connection = self.worker.connection
        try:
            connection.send_bytes(message)
            if not connection.poll(max(0, until - time.monotonic())):
                self.worker.signal(SIGINT)
                if not connection.poll(GRACE):
                    raise StoppedError(
                        f"out of time: {self.limits.cell_seconds} s for a "
                        "cell or an answer, which cannot be interrupted"
                    )
            return connection.recv_bytes(LONGEST)
        except (EOFError, OSError) as error:
            raise StoppedError(self._how_it_ended()) from error

    def start(self) -> None:
        """Wait until the process is ready, which no cell is charged for."""
        self.ask(b'{"run": ""}', self.watch.end)

    def run(self, source: str) -> str:
        """Run a cell; return the error that it ends with, if any."""
        until = time.monotonic() + self.limits.cell_seconds
        reply = self.ask(json.dumps({"run": source}).encode(), until)
        try:
            found = json.loads(reply)
            return one_line(f"{found['error']}: {found['text']}"[:500])
        except (ValueError, TypeError, KeyError, RecursionError):
            return ""  # no error, or none that can be read

    def check(
        self, reference: Reference, trial: Trials, names: Sequence[str]
    ) -> list[Verdict]:
        """Let the checks ask for answers; return what each of them says."""
        check, seconds = trial.exercise.check, self.limits.cell_seconds
        until = time.monotonic() + seconds
        request = {
            "names": names,
            "cell": trial.cell,
            "seconds": seconds + 2 * GRACE,
            "memory": self.limits.memory,
        }
        with reference.connect(check) as checker:
            checker.send_bytes(json.dumps(request).encode())
            while True:
                try:
                    message = checker.recv_bytes()
                except (EOFError, OSError):
                    text = "Not yet: the check did not come to an end."
                    return [
                        Verdict(
                            solved=False, check=check, parts=0, text=text
                        )
                    ]
                said = json.loads(message)
                if "verdicts" in said:
                    return list(said["verdicts"])
                checker.send_bytes(self.ask(message, until))

    def _how_it_ended(self) -> str:
        try:
            code = self.worker.process.wait(timeout=GRACE)
        except TimeoutExpired:
            return "it closed the connection to the grader"
        if self.watch.reason:
            return self.watch.reason
        if -code == SIGXCPU:
            return f"out of time: {self.limits.seconds} s for all of it"
        if code >= 0:
            return f"it ended itself, with exit code {code}"
        hint = ", perhaps out of memory" if -code == SIGKILL else ""
        return f"killed by {Signals(-code).name}{hint}"


def grade(
    result: Result,
    cells: Sequence[str],
    trials: Sequence[Trials],
    reference: Reference,
    sandbox: Sandbox,
) -> None:
    """Run code cells; note in the result what each exercise earns."""
    place = 0
    result.marks = [
        Mark(trial.exercise.check, 0, trial.exercise.points, UNSEEN)
        for trial in trials
    ]
    with sandbox.start() as worker, Watch(worker, sandbox.limits) as watch:
        session = Session(worker, watch)
        try:
            session.start()
            for place, source in enumerate(cells):
                if error := session.run(source):
                    _note(result, f"cell {place + 1}: {error}")
                for number, trial in enumerate(trials):
                    mark = result.marks[number]
                    if place in trial.answers and not mark.solved:
                        names = trial.answers[place]
                        found = session.check(reference, trial, names)
                        result.marks[number] = _better(mark, found, trial)
        except StoppedError as error:
            result.reason = f"cell {place + 1}: {error}"


def _better(mark: Mark, found: Sequence[Verdict], trial: Trials) -> Mark:
    """Return what a trial earns, or what an earlier one did if more.

    Of two that earn the same, the later one says more of the answer.
    """
    first, *hidden = found
    points, text = trial.exercise.points, first["text"]
    if not first["solved"]:
        points = max(0, min(first["parts"], points - 1))
        text = f"{trial.missing}. {text}" if trial.missing else text
    made = replace(mark, points=points, text=text, hidden=tuple(hidden))
    if made.is_empty and not mark.is_empty:
        return mark
    later_counts = (points, made.held) >= (mark.points, mark.held)
    return made if later_counts else mark


def _note(result: Result, error: str) -> None:
    """Keep an error of a cell, and its cause where a limit is the cause."""
    if len(result.errors) < MOST_ERRORS:
        result.errors.append(error)
    elif len(result.errors) == MOST_ERRORS:
        result.errors.append("more cells fail")
    if any(sign in error for sign in _MEMORY):
        result.reason = result.reason or f"out of memory: {error}"
    if "KeyboardInterrupt" in error:
        result.reason = result.reason or f"out of time: {error}"
