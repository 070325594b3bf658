"""Prose answers stand below their question, without a name."""

import csv
import json
from pathlib import Path

import nbformat
import pytest

from scripts.collect_answers import main

SCRIPT = """\
# %% [markdown]
# Before.
#
# ```{exercise} Warm-up: one
# :label: ex-one
#
# What is *one*?
# ```

# %% tags=["exercise"]
attempt(check_one, one)

# %% [markdown]
# ```{exercise} Two
# :label: ex-two
#
# And two?
# ```
"""
FIRST = "### Exercise 1. Warm-up: one\n\nWhat is *one*?"
SECOND = "### Exercise 2. Two\n\nAnd two?"


def test_answers_of_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "chapter.py"
    script.write_text(SCRIPT, "utf-8")
    for name, texts in {
        "ulla": [f"Before.\n\n{FIRST}", "One is <b>few</b>.", SECOND],
        "bob": [FIRST + "\n\nA number.\nThe least.", SECOND, "More.", "!"],
        "eve": [f"Before.\n\n{FIRST}", SECOND],
        "mal": [f"### Exercise {'9' * 5000}", FIRST, "\ud800.", SECOND],
    }.items():
        cells = [nbformat.v4.new_markdown_cell(text) for text in texts]
        notebook = nbformat.v4.new_notebook(cells=cells)
        made = json.dumps(notebook)  # ASCII, so that all can be written
        (tmp_path / f"{name}.ipynb").write_text(made, "utf-8")
    (tmp_path / "fay.ipynb").write_text("", "utf-8")
    files = [
        str(tmp_path / f"{n}.ipynb")
        for n in ("ulla", "bob", "eve", "fay", "mal")
    ]
    page = tmp_path / "answers.html"
    main(["--output", str(page), str(script), *files])
    assert "fay.ipynb: the file is empty" in capsys.readouterr().err
    text = page.read_text("utf-8")
    first, second = text.split("Exercise 2")
    assert "<pre>One is &lt;b&gt;few&lt;/b&gt;.</pre>" in first
    assert "<pre>A number.\nThe least.</pre>" in first
    assert "<pre>More.</pre>" in second
    assert "<pre>?.</pre>" in first
    assert text.count("<pre>") == 5
    assert not any(name in text for name in ("ulla", "bob", "eve"))
    with page.with_suffix(".csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    for row in rows:
        assert f"<h3>Answer {row['answer']}</h3>" in text
    whose = sorted((row["exercise"], row["student"]) for row in rows)
    assert whose == [
        ("1", "bob"),
        ("1", "mal"),
        ("1", "ulla"),
        ("2", "bob"),
        ("2", "bob"),
    ]
