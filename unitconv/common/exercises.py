"""Try an exercise of the book: its check, with what you wrote.

In a chapter an exercise comes with a place for your answer and a function
that checks it. `attempt` runs the check and says what it found; the folded
solution goes through the same check.
"""

from collections.abc import Callable
from typing import Any


def attempt(check: Callable[..., None], *answer: Any) -> None:
    """Print whether an answer passes the check of its exercise.

    An error of another kind than those below is a mistake in the answer's
    code and is raised, so that its traceback can be read.

    Args:
        check: asserts what the exercise asks for; each assertion carries a
            message that says what is still wrong.
        answer: what the check takes: values, or functions to be called.
    """
    try:
        check(*answer)
    except (AssertionError, NotImplementedError) as missing:
        print(f"Not yet: {str(missing) or 'nothing is written here'}.")
    else:
        print("Solved.")
