"""Collect the prose answers of a class, question by question.

    python -m scripts.collect_answers notebooks/01_task.py handed_in/*

Writes answers.html and, beside it, a CSV that says whose each answer is.
Under each exercise stands every text that a student added below it, without
a name and in an order that follows from the texts alone.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from html import escape
from pathlib import Path

import jupytext
import pandas as pd
from nbformat import NotebookNode

from scripts.grading.submission import (
    UnreadableError,
    name_students,
    read_cells,
)
from scripts.make_student import student
from unitconv.common.io import write_text

RUBRIC = (
    "For each answer: 3 points if it is in the student's own words, with a "
    "reason and not only an outcome; 2 points if a claim about a number "
    "comes with its sample size, and with an interval where it is a rate."
)
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Answers: {title}</title>
<style>
body {{ max-width: 45rem; margin: 2rem auto; font-family: sans-serif }}
pre {{ white-space: pre-wrap; border-left: 3px solid; padding-left: 1rem }}
</style>
<h1>Answers: {title}</h1>
<p>{rubric}</p>
{body}
</html>
"""


def prose(
    cells: Sequence[tuple[str, str]], given: Collection[str]
) -> Iterator[tuple[int, str]]:
    """Yield the number of an exercise and what a student wrote below it.

    Args:
        given: the lines of text of the notebook that was handed out.
    """
    number = 0
    for kind, source in cells:
        if kind == "code":
            continue
        if titles := re.findall(r"^### Exercise (\d{1,3})\b", source, re.M):
            number = int(titles[-1])
        added = [x for x in source.splitlines() if x.strip() not in given]
        if number and added:
            text = "\n".join(added)
            yield number, text.encode("utf-8", "replace").decode()


def collect(paths: Sequence[Path], given: NotebookNode) -> pd.DataFrame:
    """Return a table of all answers: exercise, answer, student, text."""
    lines = {
        line.strip()
        for cell in given.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
    } | {""}
    rows = []
    for path, name in zip(paths, name_students(paths), strict=True):
        try:
            cells = read_cells(path)
        except UnreadableError as error:
            print(f"{path}: {error}", file=sys.stderr)
            continue
        for number, text in prose(cells, lines):
            key = hashlib.sha256(f"{number} {text} {name}".encode())
            rows.append((number, key.hexdigest()[:8], name, text))
    columns = ["exercise", "answer", "student", "text"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["exercise", "answer"])


def page(table: pd.DataFrame, title: str) -> str:
    """Return the answers as a page, without names."""
    body = []
    for number, answers in table.groupby("exercise"):
        body.append(f"<h2>Exercise {number}</h2>")
        for key, text in zip(
            answers["answer"], answers["text"], strict=True
        ):
            body.append(f"<h3>Answer {key}</h3>\n<pre>{escape(text)}</pre>")
    return PAGE.format(
        title=escape(title), rubric=RUBRIC, body="\n".join(body)
    )


def main(arguments: Sequence[str]) -> None:
    """Write the page and the key."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.collect_answers"
    )
    parser.add_argument("chapter", type=Path, help="notebooks/NAME.py")
    parser.add_argument("handed_in", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("answers.html"))
    options = parser.parse_args(arguments)
    given = student(jupytext.read(options.chapter))
    table = collect(options.handed_in, given)
    write_text(page(table, options.chapter.stem), options.output)
    key = table[["exercise", "answer", "student"]].to_csv(index=False)
    write_text(key, options.output.with_suffix(".csv"))


if __name__ == "__main__":
    main(sys.argv[1:])
