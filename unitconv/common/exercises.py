"""Checks of the book's exercises."""

from collections.abc import Callable

UNWRITTEN = "nothing is written here"


def attempt(check: Callable[..., None], *answer: object) -> None:
    """Print whether an answer passes the check of its exercise.

    Other exceptions are mistakes in the answer's code and are raised.

    Args:
        check: asserts what the exercise asks for; each assertion carries a
            message that says what is still wrong.
        answer: the arguments of `check`: values, or functions to call.
    """
    try:
        check(*answer)
    except (AssertionError, NotImplementedError) as error:
        print(f"Not yet: {str(error) or UNWRITTEN}.")
    else:
        print("Solved.")
