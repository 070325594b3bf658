"""The student's notebooks hold every exercise and none of the answers."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from markdown_it import MarkdownIt

from scripts import book
from scripts.make_student import main, student
from scripts.move_repository import ROOT, address

FOLDER = ROOT / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*.py"))

every_chapter = pytest.mark.parametrize("stem", STEMS)


def chapter(stem: str) -> Any:
    return jupytext.read(FOLDER / f"{stem}.py")


@pytest.fixture(scope="module")
def handed_out() -> dict[str, Any]:
    names = [f"{stem}.ipynb" for stem in STEMS]
    return {stem: student(chapter(stem), beside=names) for stem in STEMS}


def links(notebook: Any) -> list[str]:
    """Return where links lead, as a Markdown parser reads them."""
    tokens = [
        token
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for block in MarkdownIt().parse(cell.source)
        for token in block.children or []
    ]
    hrefs = [t.attrGet("href") or t.attrGet("src") for t in tokens]
    return [str(href) for href in hrefs if href]


def lines(notebook: Any) -> set[str]:
    return {
        line.removeprefix("> ").strip()
        for cell in notebook.cells
        for line in cell.source.splitlines()
        if line.strip()
    }


def split_lines(stem: str) -> tuple[set[str], set[str]]:
    """Return the lines outside and inside solutions, without a parser."""
    sides: tuple[set[str], set[str]] = (set(), set())
    inside = False
    for cell in chapter(stem).cells:
        for line in cell.source.splitlines():
            inside |= line.startswith("```{solution-start}")
            sides[inside].add(line.strip())
            inside &= not line.startswith("```{solution-end}")
    return sides


@every_chapter
def test_solutions_are_left_out_and_nothing_else(
    stem: str, handed_out: dict[str, Any]
) -> None:
    outside, inside = split_lines(stem)
    given = lines(handed_out[stem])
    assert inside, "there is nothing to hide"
    assert given & (inside - outside) == set()
    # Fences, options, links and the keys of references are rewritten.
    rewritten = re.compile(
        r"$|(```|:::)|:(label|class|list): |.*\]\(\.\./|[a-z]+\d{4}$"
    )
    missing = {x for x in outside - given if not rewritten.match(x)}
    assert missing == set()


@every_chapter
def test_plain_jupyter_shows_no_directive(
    stem: str, handed_out: dict[str, Any]
) -> None:
    notebook = handed_out[stem]
    nbformat.validate(notebook)
    markdown = "\n\n".join(
        c.source for c in notebook.cells if c.cell_type == "markdown"
    )
    assert not re.search(r"^(```|:::+)\{|^(> )?:\w+: ", markdown, re.M)
    titles = re.findall(r"^### Exercise \d", markdown, re.M)
    source = (FOLDER / f"{stem}.py").read_text(encoding="utf-8")
    assert len(titles) == source.count("```{exercise}") > 0
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_nothing_is_used_that_only_a_solution_defines(
    tmp_path: Path,
) -> None:
    main(["--output", str(tmp_path)])
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated"]
    checked = subprocess.run(
        [*ruff, "--no-cache", "--select", "F821", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert len([*tmp_path.iterdir()]) == len(STEMS)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_links_lead_to_notebooks_beside_or_to_published_pages(
    handed_out: dict[str, Any],
) -> None:
    in_repository = f"{address()}/blob/"
    for notebook in handed_out.values():
        for link in links(notebook):
            path = link.removeprefix(in_repository).partition("/")[2]
            if link.startswith(in_repository):
                assert (ROOT / path).is_file(), link
            elif not link.startswith(("https://", "#")):
                assert link.partition("#")[0] in {
                    f"{s}.ipynb" for s in STEMS
                }


def test_links_lead_to_the_pages_of_a_published_book(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {
        "html": {"baseurl": "https://a.org/b/"},
        "repository": {"branch": "trunk"},
    }
    real = book._read_yaml
    monkeypatch.setattr(
        book,
        "_read_yaml",
        lambda name: config if name == "_config.yml" else real(name),
    )
    made = student(
        jupytext.reads(
            "# %% [markdown]\n# [a](../book/results.md#rows), [b](#here),\n"
            "# [c](02_model.ipynb), [d](01_task.ipynb), [e](../LICENSE)",
            fmt="py:percent",
        ),
        beside=["01_task.ipynb"],
    )
    assert links(made) == [
        "https://a.org/b/book/results.html#rows",
        "#here",
        "https://a.org/b/notebooks/02_model.html",
        "01_task.ipynb",
        f"{address()}/blob/trunk/LICENSE",
    ]


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
one = 0

# %% [markdown]
# ```{solution-start} ex-one
# :class: dropdown
# ```
# Think of it.

# %%
one = 1

# %% [markdown]
# It is 1.
#
# ```{solution-end}
# ```
# After.
"""


def test_small_notebook_line_by_line() -> None:
    made = student(jupytext.reads(SCRIPT, fmt="py:percent"))
    assert [cell.source for cell in made.cells] == [
        "Before.\n\n### Exercise 1. Warm-up: one\n\nWhat is *one*?",
        "one = 0",
        "After.",
    ]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (SCRIPT.replace("{solution-end}", "{exercise}"), "does not end"),
        (SCRIPT.replace("{exercise}", "{marvel}"), "no plain form for"),
    ],
)
def test_what_could_leak_is_refused(broken: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        student(jupytext.reads(broken, fmt="py:percent"))
