"""Checks of the book's exercises.

A chapter gives each exercise a place for the answer and a function that
checks it. `attempt` runs the check and prints the result; the hidden
solution goes through the same check.
"""

from collections.abc import Callable


def attempt(check: Callable[..., None], *answer: object) -> None:
    """Print whether an answer passes the check of its exercise.

    Any other exception than those below is a mistake in the answer's code
    and is raised, so that its traceback can be read.

    Args:
        check: asserts what the exercise asks for; each assertion carries a
            message that says what is still wrong.
        answer: the arguments of `check`: values, or functions to call.
    """
    try:
        check(*answer)
    except (AssertionError, NotImplementedError) as error:
        print(f"Not yet: {str(error) or 'nothing is written here'}.")
    else:
        print("Solved.")
