"""Inputs for fuzzing: texts near what the library reads, broken files."""

from __future__ import annotations

import gzip
import json
import random

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from experiments.timing import RESULTS
from unitconv.task.dataset import load_split

BATCH = 20  #: inputs of one draw
WORDS = [
    *"0159.,+-*/^xeE ()<>{}=\n\t~:|%$\\",
    *["\u2212", "\u00d7", "\u00a0", "\u2192", "\u2248", "\u00b2", "\u0661"],
    *["000", "1e400", "1e-400", "10^", "10**", "1/0", "nan", "inf"],
    *["kg", "g", "m/s", "cm^3", "fluid ounce", "degree", "apples", "per"],
    *["How many ", "gram are there per 6 kg?", " in ", " is ", " equals "],
    *["**", "\\times", "\\frac{1}{2}", "half ", "hundred ", "not "],
    *["<answer>", "</answer>", "<|im_end|>", "<|im_start|>assistant\n"],
    *["\ud800", "\U0001f418", "\u202e", "\x00", "\r"],
]
QUESTIONS = [question.text for question in load_split("valid")]


@st.composite
def texts(draw: DrawFn) -> list[str]:
    """Draw pieces, and join some of them in many orders.

    Hypothesis draws slowly: so each draw serves for `BATCH` inputs.
    """
    piece = st.sampled_from(WORDS) | st.text(max_size=8)
    pieces = draw(st.lists(piece, max_size=40))
    rng = random.Random(draw(st.integers(0, 2**32)))
    return [
        "".join(rng.sample(pieces, rng.randint(0, len(pieces))))
        for _ in range(BATCH)
    ]


@st.composite
def questions(draw: DrawFn) -> list[str]:
    """Draw questions of a split, and texts that are none."""
    real = draw(st.sampled_from(QUESTIONS))
    return [real, *(f"{real} {t}" for t in draw(texts())), *draw(texts())]


@st.composite
def damaged(draw: DrawFn, whole: list[bytes]) -> list[bytes]:
    """Draw a file and changes, and make some of them in many ways."""
    content = draw(st.sampled_from(whole))
    places = st.integers(0, len(content))
    pieces = st.sampled_from(PIECES) | st.binary(max_size=4)
    changes = draw(st.lists(st.tuples(places, pieces), max_size=8))
    rng = random.Random(draw(st.integers(0, 2**32)))
    files = []
    for _ in range(BATCH):
        changed = bytearray(content)
        for at, piece in rng.sample(changes, rng.randint(0, len(changes))):
            length = rng.choice([0, 1, len(piece), 1000])
            changed[at : at + length] = piece
        files.append(bytes(changed))
    return files


PIECES = [
    *[b'"', b"{", b"[", b"]", b"}", b",", b"\n", b"null", b"NaN", b"1e999"],
    *[b"-0", b"\xff", b"\x00", b"\\ud800", b"[" * 3000, b"9" * 5000],
    *[b"true", b'{"a": 1}', b"", b"\x1f\x8b"],
]


def question_files() -> SearchStrategy[list[bytes]]:
    pairs = [[q.text, q.answer] for q in load_split("valid")[:4]]
    return damaged([json.dumps(pairs).encode(), b"[]", b""])


def triple_files() -> SearchStrategy[list[bytes]]:
    lines = (RESULTS / "rft.json").read_bytes().splitlines()
    triples = b"\n".join([b"[", *lines[1:3], lines[3].rstrip(b","), b"]"])
    return damaged([triples, b'{"task": "multiplication", "triples": []}'])


def record_files() -> SearchStrategy[list[bytes]]:
    with gzip.open(RESULTS / "rollouts.jsonl.gz") as file:
        lines = [file.readline() for _ in range(3)]
    return damaged([b"".join(lines), lines[0], b""])
