"""Texts for the tests of the grader: random pieces, and hostile ones."""

from __future__ import annotations

from hypothesis import strategies as st


def rows(table: str) -> list[str]:
    """Split a table of texts, each ended by a bar."""
    return [text.strip() for text in table.split(" |")]


def tagged(inside: str) -> str:
    return f"<answer>{inside}</answer>"


PIECES = st.lists(
    st.sampled_from(
        [
            *"0159.,+-*/^xeE ()<>{}=\n\u2212\u00a0",
            *["000", "10^", "10**", "kg", "m/s", "cm^3", "fluid ounce"],
            *["apples", "and", "is", "equals", "is equal to", "**"],
            *["half ", "hundred ", " a ", " in ", "there are ", "not "],
            *["\\times", "\\frac{1}{2}", "\u2192", "\u2248", " : ", "| "],
            *["<answer>", "</answer>"],
        ]
    ),
    max_size=40,
).map("".join)

MANY = 50_000
HOSTILE = {
    "spaces": "5" + " " * MANY + "x",
    "spaces before": " " * MANY + "x",
    "no-break spaces": "5" + "\u00a0" * MANY + "x",
    "digits": "9" * MANY,
    "groups": "1" + ",000" * (MANY // 4) + "x",
    "spaced groups": "1" + " 000" * (MANY // 4) + "x",
    "power": "1e" + "9" * MANY,
    "long power": "5 * 10^" + "9" * MANY,
    "signs": "-" * MANY + "=" + "-" * MANY,
    "letters": "a" * MANY,
    "rates": "a/" * (MANY // 2),
    "times": "x" + " " * MANY,
    "brackets": "(" * MANY + "1" + ")" * MANY + " * 1 = 1",
    "equals": "=" * MANY,
    "open tags": "<answer>" * (MANY // 8),
    "tags": "<answer></answer>" * (MANY // 17),
    "stars": "*" * MANY,
    "words": "metric " * (MANY // 7),
    "chain": "1 = " * (MANY // 20),
    "sum": "1 + " * (MANY // 20) + "1 = 5",
    "powers": "10^" * (MANY // 20),
}
