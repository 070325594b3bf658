"""A check in parts asserts all of them, in their order."""

from collections.abc import Iterator

import pytest

from unitconv.common.check_parts import in_parts
from unitconv.common.exercises import attempt


@in_parts
def check_pair(low: int, high: int) -> Iterator[tuple[bool, str]]:
    """Check two numbers."""
    yield low < 3, "the first is too large"
    yield high > 3, "the second is too small"


@pytest.mark.parametrize(
    ("answer", "printed"),
    [
        ((1, 5), "Solved."),
        ((1, 2), "Not yet: the second is too small."),
        ((4, 2), "Not yet: the first is too large."),
    ],
)
def test_attempt_of_a_check_in_parts(
    answer: tuple[int, int],
    printed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempt(check_pair, *answer)
    assert capsys.readouterr().out == f"{printed}\n"
    assert check_pair.__name__ == "check_pair"
