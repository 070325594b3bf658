"""Honest work counts, and no submission earns what it did not do."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.grading.chapter import Chapter, read_chapter
from scripts.grading.reference import Reference
from scripts.grading.sandbox import (
    Limits,
    Sandbox,
    best_level,
    copy_library,
)
from scripts.grading.session import Result, grade
from scripts.grading.submission import plan

pytestmark = pytest.mark.slow

START = "from unitconv.common.exercises import attempt"
ONE = """\
LIMIT = 3
one = 0


def check_one(one):
    assert one == 1, "one is another number"


attempt(check_one, one)
"""
DOUBLE = """\
def double(x):
    raise NotImplementedError


def check_double(double):
    assert double(LIMIT) == 6, "double another way"


attempt(check_double, double)
"""
SQUARE = """\
from unitconv.common.check_parts import in_parts


def square(x):
    raise NotImplementedError


@in_parts
def check_square(square):
    yield square(0) == 0, "the square of 0"
    yield square(2) == 4, "the square of 2"
    yield square(-3) == 9, "the square of -3"


attempt(check_square, square)
"""
EMPTY = [START, ONE, DOUBLE, SQUARE]
SOLVED = [
    START,
    ONE.replace("one = 0", "one = 1"),
    DOUBLE.replace("raise NotImplementedError", "return 2 * x"),
    SQUARE.replace("raise NotImplementedError", "return x * x"),
]
HIDDEN = """\
def check_double_of_text(double):
    assert double("a") == "aa", "a text is doubled as well"


def check_double(double):
    assert double(LIMIT + 1) == 8, "the double of 4"
"""
CHAPTER = "\n".join(
    f'# %% tags=["{tags}"]\n{cell}'
    for tags, cell in zip(
        ["first", "exercise", "exercise", 'exercise", "points=3'],
        EMPTY,
        strict=True,
    )
)
NOT_WRITTEN = "Not yet: nothing is written here."
LIMITS = Limits(memory=4 * 2**30, processes=30)


@dataclass(frozen=True)
class Grader:
    """A chapter, its reference, and a sandbox for what is handed in."""

    chapter: Chapter
    reference: Reference
    sandbox: Sandbox

    def grade(self, code: list[str], limits: Limits = LIMITS) -> Result:
        result = Result("ada", "ada.ipynb")
        trials = plan([("code", cell) for cell in code], self.chapter)
        sandbox = replace(self.sandbox, limits=limits)
        grade(result, code, trials, self.reference, sandbox)
        return result


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    script = tmp_path_factory.mktemp("course") / "chapter.py"
    script.write_text(CHAPTER, "utf-8")
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Reference(script, HIDDEN)) as reference,
    ):
        library = copy_library(Path(folder))
        sandbox = Sandbox(best_level(library), library, LIMITS)
        yield Grader(read_chapter(script), reference, sandbox)


def texts(result: Result) -> list[str]:
    return [mark.text for mark in result.marks]


def points(result: Result) -> list[int]:
    return [mark.points for mark in result.marks]


def test_empty_and_solved(grader: Grader) -> None:
    assert texts(grader.grade(EMPTY)) == [
        "Not yet: one is another number.",
        NOT_WRITTEN,
        NOT_WRITTEN,
    ]
    first, second = grader.grade(SOLVED), grader.grade(SOLVED)
    assert texts(first) == ["Solved."] * 3
    assert points(first) == [1, 1, 3]
    assert [v["solved"] for v in first.marks[1].hidden] == [True, True]
    assert first == second


def test_a_check_runs_with_the_numbers_of_a_student(
    grader: Grader,
) -> None:
    own = DOUBLE.replace("== 6", "== 7")
    code = [*SOLVED[:2], own, *SOLVED[2:]]
    trials = plan([("code", cell) for cell in code], grader.chapter)
    trials[1] = replace(trials[1], cell=own)
    result = Result("ada", "ada.ipynb")
    grade(result, code, trials, grader.reference, grader.sandbox)
    assert points(result) == [1, 0, 3]
    assert points(grader.grade(code)) == [1, 1, 3]


def test_honest_work_in_another_form(grader: Grader) -> None:
    result = grader.grade(
        [
            START,
            "%%time\n" + ONE.replace("attempt(", "x = attempt("),
            "!echo one\none = 1",
            DOUBLE,
            "def helper(x):\n    return 2.0 * x",
            "def double(x):\n    return helper(x)",
            # Without its attempt, and right in two of three parts.
            SQUARE.partition("attempt(")[0],
            "def square(x):\n    return x * abs(x)",
        ]
    )
    assert points(result) == [1, 1, 2]
    assert "not found: no cell calls" in texts(result)[2]
    assert "the square of -3" in texts(result)[2]
    hidden = [v["text"] for v in result.marks[1].hidden]
    assert hidden[0] == "Solved."
    assert "TypeError: can't multiply" in hidden[1]


FALSE = """\
import builtins
import unitconv.common.check_parts
import unitconv.common.exercises
from scripts.grading import messages

class Equal:
    __hash__ = None
    def __eq__(self, other): return True
    __lt__ = __gt__ = __abs__ = __rmul__ = __eq__

def attempt(*anything): print("Solved.")
def check_one(one): pass
unitconv.common.exercises.attempt = attempt
unitconv.common.check_parts.in_parts = lambda check: attempt
builtins.print = lambda *texts: None
builtins.AssertionError = KeyError
one = Equal()
double = square = lambda x: Equal()
"""
FORGED = """\
from scripts.grading import messages

answer = messages.Peer.answer

def forge(self, make):
    answer(self, make)
    verdict = {"check": "check_one", "solved": True, "text": "Solved."}
    self.send(value=[2], verdicts=[verdict | {"parts": 9}], **verdict)

messages.Peer.answer = forge
print("Solved.")
"""


def test_patches_earn_nothing(grader: Grader) -> None:
    result = grader.grade([START, ONE, DOUBLE, SQUARE, FALSE])
    assert points(result) == [0, 0, 0]
    assert "type Equal cannot be checked" in texts(result)[1]


def test_forged_verdicts_earn_nothing(grader: Grader) -> None:
    result = grader.grade([START, FORGED, DOUBLE, SQUARE])
    assert points(result) == [0, 0, 0]


def test_early_exit_keeps_what_was_earned(grader: Grader) -> None:
    solved = [*SOLVED[:2], "import sys; sys.exit()"]
    leave = 'import os; print("Solved."); os._exit(0)'
    result = grader.grade([*solved, leave, *SOLVED[2:]])
    assert points(result) == [1, 0, 0]
    assert result.reason == "cell 4: it ended itself, with exit code 0"


def test_loop_that_cannot_be_interrupted(grader: Grader) -> None:
    loop = """\
while True:
    try:
        import time; time.sleep(1)
    except:
        pass"""
    limits = replace(LIMITS, cell_seconds=3)
    result = grader.grade([*SOLVED[:2], loop, SOLVED[2]], limits)
    assert points(result) == [1, 0, 0]
    assert result.reason.startswith("cell 3: out of time: 3 s")


def test_bombs_have_a_reason_and_others_go_on(grader: Grader) -> None:
    forks = """\
import os, time
for _ in range(500):
    if not os.fork():
        time.sleep(1000)"""
    output = "print('x' * 10**8)"
    result = grader.grade(
        [*SOLVED[:2], "bytes(20 * 2**30)", output, forks, *SOLVED[2:]]
    )
    assert points(result) == [1, 1, 3]
    assert result.reason.startswith("out of memory: cell 3: MemoryError")
    if grader.sandbox.level != "none":
        [_, error] = result.errors
        assert error.startswith("cell 5: BlockingIOError")


def test_nothing_is_in_reach_and_nothing_stays(grader: Grader) -> None:
    if grader.sandbox.level != "namespaces":
        pytest.skip("the system allows no namespaces")
    looks = f"""\
import os, socket, subprocess
from pathlib import Path
import unitconv

subprocess.Popen(["sleep", "98765"], start_new_session=True)
found = []
try:
    socket.create_connection(("127.0.0.1", 22), timeout=1)
except OSError as error:
    found += ["a network"] * (error.errno != 101)
for path in [{__file__!r}, {str(grader.reference.folder.name)!r}]:
    found += [path] * os.path.exists(path)
for path in [unitconv.__file__, "/usr/x", "/x"]:
    try:
        found.append(open(path, "a"))
    except OSError:
        pass
found += [pid for pid in os.listdir("/proc") if pid.isdigit()][3:]
one = 1 - len(found)
"""
    result = grader.grade([START, looks, ONE.replace("one = 0", "")])
    assert result.errors == []
    assert points(result)[0] == 1
    for wait in [0.1] * 100:  # the system takes a moment to end them
        if not still_running(b"98765"):
            return
        time.sleep(wait)
    pytest.fail("a process outlives its sandbox")


def still_running(word: bytes) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            if word in path.read_bytes():
                return True
    return False
