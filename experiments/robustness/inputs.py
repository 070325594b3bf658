"""Inputs for fuzzing: texts near what the library reads, broken files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from experiments.timing import RESULTS
from unitconv.task.dataset import load_split

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
NEAR = st.lists(st.sampled_from(WORDS), max_size=40).map("".join)
TEXTS = st.one_of(NEAR, NEAR, st.text(max_size=60))
QUESTIONS = st.one_of(
    st.sampled_from([question.text for question in load_split("valid")]),
    TEXTS,
)


@st.composite
def damaged(draw: DrawFn, whole: list[bytes]) -> bytes:
    """Draw one of some files, with a few changes, or random bytes."""
    content = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=4))
        length = draw(st.sampled_from([0, 1, len(piece), 1000]))
        content[at : at + length] = piece
    return bytes(content)


PIECES = [
    *[b'"', b"{", b"[", b"]", b"}", b",", b"\n", b"null", b"NaN", b"1e999"],
    *[b"-0", b"\xff", b"\x00", b"\\ud800", b"[" * 3000, b"9" * 5000],
    *[b"true", b'{"a": 1}', b"", b"\x1f\x8b"],
]


def question_files() -> SearchStrategy[bytes]:
    pairs = [[q.text, q.answer] for q in load_split("valid")[:4]]
    return damaged([json.dumps(pairs).encode(), b"[]", b""])


def triple_files() -> SearchStrategy[bytes]:
    lines = (RESULTS / "rft.json").read_bytes().splitlines()
    triples = b"\n".join([b"[", *lines[1:3], lines[3].rstrip(b","), b"]"])
    return damaged([triples, b'{"task": "multiplication", "triples": []}'])


def record_files() -> SearchStrategy[bytes]:
    with gzip.open(RESULTS / "rollouts.jsonl.gz") as file:
        lines = [file.readline() for _ in range(3)]
    return damaged([b"".join(lines), lines[0], b""])


class Written:
    """A file that takes one content after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def hold(self, content: bytes) -> Path:
        """Write the content, and return the path."""
        self.path.write_bytes(content)
        return self.path
