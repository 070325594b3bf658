"""Checks of exercises that earn points part by part."""

from collections.abc import Callable, Iterator
from functools import wraps


def in_parts(
    check: Callable[..., Iterator[tuple[bool, str]]],
) -> Callable[..., None]:
    """Turn a generator into a check: it asserts each part.

    A grader finds the generator under ``__wrapped__`` and counts the parts
    that hold.

    Args:
        check: yields, for each part, whether it holds and, if not, what is
            wrong.
    """

    @wraps(check)
    def assert_all(*answer: object) -> None:
        for holds, wrong in check(*answer):
            if not holds:
                raise AssertionError(wrong)

    return assert_all
