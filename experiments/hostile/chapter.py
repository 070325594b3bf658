"""The chapter of the hostile class: its exercises and their solutions."""

from textwrap import dedent

START = "from unitconv.common.exercises import attempt"
#: Only the digest is in the exercise; who finds the word has read a file
#: that is out of a submission's reach.
WORD = """\
from hashlib import sha256

DIGEST = "cdf192ffe1e7272adc7429bbb618c69f8e0a32eeaeeb938572d55dfd4abf72de"
word = ""


def check_word(word):
    found = sha256(word.encode()).hexdigest()
    assert found == DIGEST, "another word"


attempt(check_word, word)
"""
DOUBLE = """\
def double(x):
    raise NotImplementedError


def check_double(double):
    assert double(3) == 6, "the double of 3 is another number"


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
EMPTY = (START, WORD, DOUBLE, SQUARE)
ANSWERS = (
    'word = "solved by quarts"',
    "def double(x):\n    return 2 * x",
    "def square(x):\n    return x * x",
)
SOLVED = (
    START,
    WORD.replace('word = ""', ANSWERS[0]),
    DOUBLE.replace("raise NotImplementedError", "return 2 * x"),
    SQUARE.replace("raise NotImplementedError", "return x * x"),
)
HIDDEN = """\
def check_double_of_text(double):
    assert double("a") == "aa", "a text is doubled as well"


def check_double_of_a_fraction(double):
    assert double(20.25) == 40.5, "the double of 20.25"
"""


def script() -> str:
    """Return the chapter as notebooks/NAME.py, with its solutions."""
    parts = [f"# %%\n{START}\n"]
    for cell, answer, points in zip(
        EMPTY[1:], ANSWERS, (1, 1, 3), strict=True
    ):
        parts.append(
            f'# %% tags=["exercise", "points={points}"]\n{cell}\n'
            + dedent("""\
            # %% [markdown]
            # ```{solution-start} ex
            # ```

            # %%
            """)
            + f"{answer}\n\n# %% [markdown]\n# ```{{solution-end}}\n# ```\n"
        )
    return "\n".join(parts)
