"""The student's notebooks hold every exercise and none of the answers."""

import json
import re
import subprocess
import sys
from typing import Any

import jupytext
import nbformat
import pytest
from markdown_it import MarkdownIt

from scripts.make_student import main, student
from scripts.move_repository import ROOT, address

SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
NAMES = {f"{script.stem}.ipynb" for script in SCRIPTS}


@pytest.fixture(scope="module", params=SCRIPTS, ids=lambda path: path.stem)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A chapter, and what is handed out of it."""
    chapter = jupytext.read(request.param)
    return chapter, student(chapter, beside=NAMES)


def markdown(notebook: Any) -> list[str]:
    return [c.source for c in notebook.cells if c.cell_type == "markdown"]


def split_lines(chapter: Any) -> tuple[set[str], set[str]]:
    """Return the lines outside and inside solutions, without a parser."""
    sides: tuple[set[str], set[str]] = (set(), set())
    inside = False
    for cell in chapter.cells:
        for line in cell.source.splitlines():
            inside |= line.startswith("```{solution-start}")
            sides[inside].add(line.strip())
            inside &= not line.startswith("```{solution-end}")
    return sides


def test_solutions_are_left_out_and_nothing_else(
    pair: tuple[Any, Any],
) -> None:
    chapter, made = pair
    outside, inside = split_lines(chapter)
    given = {
        line.removeprefix("> ").strip()
        for cell in made.cells
        for line in cell.source.splitlines()
    }
    assert given & (inside - outside) == set()
    # Fences, options, links and the keys of references are rewritten.
    rewritten = re.compile(
        r"$|(```|:::)|:(label|class|list|right): |.*\]\(\.\./|[a-z]+\d{4}$"
    )
    missing = {x for x in outside - given if not rewritten.match(x)}
    assert missing == set()


def test_no_byte_of_a_solution_is_handed_out(pair: tuple[Any, Any]) -> None:
    chapter, made = pair
    outside, inside = split_lines(chapter)
    content = nbformat.writes(made)
    for line in inside - outside:
        if len(line) > 40:
            assert json.dumps(line)[1:-1] not in content
    assert "Solved." not in content.replace('"Solved."', "")


def test_plain_jupyter_shows_no_directive(pair: tuple[Any, Any]) -> None:
    chapter, made = pair
    nbformat.validate(made)
    text, source = ("\n\n".join(markdown(one)) for one in (made, chapter))
    assert not re.search(r"^(```|:::+)\{|^(> )?:\w+: ", text, re.M)
    titles = re.findall(r"^### Exercise \d", text, re.M)
    assert len(titles) == source.count("```{exercise}") > 0
    assert not any(cell.get("outputs") for cell in made.cells)


def test_links_lead_to_a_handed_out_notebook_or_the_repository(
    pair: tuple[Any, Any],
) -> None:
    blocks = [
        b for text in markdown(pair[1]) for b in MarkdownIt().parse(text)
    ]
    tokens = [token for block in blocks for token in block.children or []]
    hrefs = [str(t.attrGet("href")) for t in tokens if t.attrGet("href")]
    assert hrefs
    for href in hrefs:
        path = href.removeprefix(f"{address()}/blob/")
        if path != href:
            assert (ROOT / path.partition("/")[2]).is_file(), href
        elif not href.startswith(("https://", "#")):
            assert href.partition("#")[0] in NAMES


@pytest.mark.slow
def test_nothing_is_used_that_only_a_solution_defines(
    tmp_path: Any,
) -> None:
    main(["--output", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == NAMES
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated"]
    options = ["--no-cache", "--select", "F821", str(tmp_path)]
    checked = subprocess.run(
        [*ruff, *options], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


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


def test_points_stand_beside_the_titles_where_they_differ() -> None:
    prose = "\n# %% [markdown]\n# ```{exercise} Prose\n# Why?\n# ```\n"
    second = SCRIPT.replace("ex-one", "ex-two").replace(": one", ": two")
    three = SCRIPT.replace('"exercise"', '"exercise", "points=3"')
    titles = []
    for script in (SCRIPT + prose + second, three + prose + second):
        made = student(jupytext.reads(script, fmt="py:percent"))
        text = "\n".join(markdown(made))
        titles.append(re.findall(r"^### Exercise (.*)$", text, re.M))
    assert titles == [
        ["1. Warm-up: one", "2. Prose", "3. Warm-up: two"],
        [
            "1. Warm-up: one (3 points)",
            "2. Prose",
            "3. Warm-up: two (1 point)",
        ],
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
