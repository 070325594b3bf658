"""An attempt tells a solved exercise from one that is not."""

from collections.abc import Callable

import pytest

from unitconv.common.exercises import attempt


def check_double(double: Callable[[int], float]) -> None:
    # Raised by hand: pytest rewrites the message of an assert.
    if double(3) != 6:
        raise AssertionError(f"double(3) should be 6, not {double(3)}")


def test_right_answer_is_solved(capsys: pytest.CaptureFixture[str]) -> None:
    attempt(check_double, lambda x: 2 * x)
    assert capsys.readouterr().out == "Solved.\n"


def test_wrong_answer_is_told_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempt(check_double, lambda x: x)
    assert capsys.readouterr().out == (
        "Not yet: double(3) should be 6, not 3.\n"
    )


def test_empty_answer_is_not_yet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def double(x: int) -> int:
        raise NotImplementedError

    attempt(check_double, double)
    assert capsys.readouterr().out == "Not yet: nothing is written here.\n"


def test_mistake_in_the_answers_code_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(check_double, lambda x: x / 0)
