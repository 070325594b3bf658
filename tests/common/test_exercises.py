"""`attempt` tells a solved exercise from one that is not."""

from collections.abc import Callable

import pytest

from unitconv.common.exercises import attempt


def check_double(double: Callable[[int], float]) -> None:
    # Raised by hand: pytest rewrites the message of an assert.
    if double(3) != 6:
        raise AssertionError(f"double(3) should be 6, not {double(3)}")


def unsolved(x: int) -> int:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "printed"),
    [
        (lambda x: 2 * x, "Solved."),
        (lambda x: x, "Not yet: double(3) should be 6, not 3."),
        (unsolved, "Not yet: nothing is written here."),
    ],
)
def test_attempt(
    answer: Callable[[int], float],
    printed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempt(check_double, answer)
    assert capsys.readouterr().out == f"{printed}\n"


def test_a_mistake_in_the_answers_code_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(check_double, lambda x: x / 0)
