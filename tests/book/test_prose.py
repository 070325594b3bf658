"""No habit of translated English is left in what a reader reads.

The list grew out of two readings of the book. A habit is a pattern, and
what to write instead. Words of code, in backquotes, do not count.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest

from scripts.move_repository import ROOT

HABITS = {
    r"\b(stands?|stood|standing)\b(?!-)(?! (for|by|out|in for)\b)": (
        "is, is written"
    ),
    r"\b(numbers?|figures?|tables?|curves?|rows?|they|it) tells?\b"
    r"(?! you| us| the (model|reader|student))": "shows",
    r"\bcan tell\b|\b(is|are|be) told\b": "can see, know",
    r"(?:^|[.:;] )What is \w+ is\b": "begin with the subject",
    r"(?:^|[.:;] )What (are|was|were) \w+ (are|was|were)\b": "the same",
    r"(?:^|[.:;] )Who (\w+ ){1,4}(finds|sees|wants)\b": "a reader who",
    r"(?:^|[.:;] )Of [\w ]{3,30} there (is|are)\b": "there are N ...",
    r"\b(may|might) be empty\b": "say what the output beside it shows",
    r"\bas (it |that |this )?may happen\b": "say what happens in it",
    r"\bis told apart\b|\bnot told apart\b": "differs, is distinguished",
    r"\bthe more so\b|\bso much the\b": "say why",
    r"\bcan be had\b|\bis to be had\b|\bwas had\b": "is available",
    r"\bnone the (less|more)\b": "still",
    r"\bin company\b": "in a batch",
    r"\bfalls? to pieces\b": "is split",
    r"\bby the way of\b|\bby way of\b": "through",
    r"\bto each its own\b|\beach its own\b": "one each",
    r"\bwhereof\b|\bthereof\b|\bwherein\b|\bhitherto\b": "plain words",
    r"\bas good as (none|nothing|no)\b": "almost none",
    r"\b(a|the) (proof|cure|remedy) (for|against) it\b": "say what it is",
    r"\bmakes? good\b|\bheld? good\b": "works, is true",
    r"\bin the face\b": "say what is seen",
    r"\bin silence\b|\bhere and now\b": "without an error, here",
    r"(?:^|[.:;] )Not in [\w ]+: ": "the subject and a verb first",
    r"\b(recognis|optimis|tokenis|normalis|organis|favour|colour"
    r"|behaviour|neighbour|labelled|licence)\w*": "American spelling",
    r"\b(it|which) is no (wonder|news|surprise)\b": "say why",
}


def chapters() -> Iterator[tuple[Path, str]]:
    """Yield the prose of each cell."""
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "markdown":
                yield path, cell.source


def pages() -> Iterator[tuple[Path, str]]:
    for path in [*sorted((ROOT / "book").glob("*.md")), *ROOT.glob("*.md")]:
        yield path, path.read_text()


def docstrings() -> Iterator[tuple[Path, str]]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    for path in sorted((ROOT / "unitconv").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, documented):
                yield path, ast.get_docstring(node) or ""


def paragraphs(text: str) -> list[str]:
    """Leave out code and addresses; join the lines of a paragraph."""
    text = re.sub(r"(?s)(`{3,}).*?\1|`[^`]*`|\(https?:[^)]*\)", " x ", text)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]


@pytest.mark.parametrize("source", [chapters, pages, docstrings])
def test_prose_is_plain(source: type) -> None:
    found = [
        f"{path.name}: ...{text[max(0, hit.start() - 40) : hit.end() + 20]}"
        f"... ({instead})"
        for path, whole in source()
        for text in paragraphs(whole)
        for habit, instead in HABITS.items()
        for hit in re.finditer(habit, text)
    ]
    assert not found, "\n".join(found)


def test_the_list_finds_what_readers_complained_about() -> None:
    complaints = [
        "What is kept is the cache.",
        "Nothing is told apart.",
        "the 6 stands before it",
        "Of LoRA there are two kinds",
        "Who asks it finds a reply",
        "Not in the sum: what kernels borrow",
    ]
    for sentence in complaints:
        assert any(re.search(habit, sentence) for habit in HABITS), sentence
