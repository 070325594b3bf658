"""Honest work in unusual forms, which counts, and wrong answers."""

import json

from experiments.hostile.chapter import (
    ANSWERS,
    DOUBLE,
    EMPTY,
    SOLVED,
    SQUARE,
    START,
    WORD,
)
from experiments.hostile.submission import (
    Submission,
    code,
    notebook,
    text,
)

_NEW = json.loads(notebook(SOLVED))
_OLD = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {},
    "worksheets": [
        {
            "cells": [
                {
                    "cell_type": "code",
                    "language": "python",
                    "input": cell,
                    "outputs": [],
                }
                for cell in SOLVED
            ]
        }
    ],
}
_R = _NEW | {"metadata": {"kernelspec": {"name": "ir", "language": "R"}}}
_PRINTED = {"output_type": "stream", "name": "stdout", "text": "x" * 2**25}
_LONG = _NEW | {
    "cells": [*_NEW["cells"], code("1") | {"outputs": [_PRINTED]}]
}
_TYPED = code("# naïve") | {"source": "# naïve"}
_CODEPAGE = json.dumps(
    _NEW | {"cells": [*_NEW["cells"], _TYPED]}, ensure_ascii=False
).encode("cp1252")


def _without_attempt(cell: str) -> str:
    return cell.partition("\nattempt(")[0]


_POOL = """\
from concurrent.futures import ProcessPoolExecutor
from operator import mul

numbers = range(-9, 10)
with ProcessPoolExecutor(1) as pool:
    square = dict(zip(numbers, pool.map(mul, numbers, numbers))).get
attempt(check_square, square)"""
_FULL: dict[str, bytes] = {
    "as asked": notebook(SOLVED),
    "cells copied": notebook([*SOLVED, *SOLVED]),
    "an empty copy of the exercises at the end": notebook(
        [*SOLVED, *EMPTY]
    ),
    "cells split at each blank line": notebook(
        part for cell in SOLVED for part in cell.split("\n\n\n")
    ),
    "all in one cell": notebook(["\n\n\n".join(SOLVED)]),
    "attempts deleted": notebook(map(_without_attempt, SOLVED)),
    "checks deleted, answers alone": notebook(
        [START, *ANSWERS, text("check_word, check_double, check_square")]
    ),
    "exercises turned into text": notebook(
        [START, *map(text, EMPTY[1:]), *ANSWERS]
    ),
    "answers in cells below": notebook(
        [
            START,
            *(c for n in range(3) for c in (EMPTY[n + 1], ANSWERS[n])),
        ]
    ),
    "answers at the end": notebook([*EMPTY, *ANSWERS]),
    "exercises in another order": notebook([START, *SOLVED[:0:-1]]),
    "retyped with other names": notebook(
        [
            *[START, ANSWERS[0].replace("word", "mine")],
            "attempt(check_word, mine)",
            "twice = lambda x: x + x\nattempt(check_double, twice)",
            "attempt(check_square, lambda x: x ** 2)",
        ]
    ),
    "magics, a shell line, help": notebook(
        [
            *["%matplotlib inline\n!echo here", "len?"],
            *[f"%%time\n{cell}" for cell in SOLVED],
        ]
    ),
    "r = attempt(...)": notebook(
        cell.replace("\nattempt(", "\nr = attempt(") for cell in SOLVED
    ),
    "an error between two exercises": notebook(
        [*SOLVED[:2], "1 / 0", *SOLVED[2:]]
    ),
    "input() is called": notebook([*SOLVED[:2], "input()", *SOLVED[2:]]),
    "await, a file of its own, a pool of processes": notebook(
        [
            *[SOLVED[0], EMPTY[1], DOUBLE, SQUARE],
            f"async def find():\n    {ANSWERS[0]}\n    return word",
            "word = await find()\nattempt(check_word, word)",
            f"%%writefile helper.py\n{ANSWERS[1]}",
            "from helper import double\nattempt(check_double, double)",
            _POOL,
        ]
    ),
    "saved by an old Jupyter": json.dumps(_OLD).encode(),
    "kernel of R": json.dumps(_R).encode(),
    "Windows-1252": _CODEPAGE,
    "UTF-8 with a mark": b"\xef\xbb\xbf" + notebook(SOLVED),
    "30 MB of stored output": json.dumps(_LONG).encode(),
}
_WRONG = {
    "untouched": (EMPTY, 0, 0),
    "a wrong word, the double of 3 only, no square": (
        [*EMPTY, 'word = "quarts"', "double = lambda x: 6"],
        1,
        0,
    ),
    "doubles numbers only, squares without the sign": (
        [
            *EMPTY,
            "double = lambda x: 2.0 * x",
            "square = lambda x: x * abs(x)",
        ],
        3,
        1,
    ),
    "returns None; a square for one case of three": (
        [START, WORD, DOUBLE, SQUARE, "square = lambda x: 4"],
        1,
        0,
    ),
    "a table of the cases that the check tries": (
        [*EMPTY, "double = {3: 6}.get", "square = {0: 0, 2: 4, -3: 9}.get"],
        4,
        0,
    ),
    "that table, and a guess for the hidden check in each of 90 cells": (
        [
            *EMPTY,
            *(
                f"attempt(check_double, lambda x: {{3: 6}}.get(x, {n}.5))"
                for n in range(10, 100)
            ),
        ],
        1,
        0,
    ),
}
HONEST = [
    Submission("honest", what, content, 5, 2)
    for what, content in _FULL.items()
] + [
    Submission("honest", what, notebook(cells), points, hidden)
    for what, (cells, points, hidden) in _WRONG.items()
]
