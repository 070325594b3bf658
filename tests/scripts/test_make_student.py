"""The student's notebooks hold every exercise and none of the answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
import yaml
from markdown_it import MarkdownIt

from scripts import contents
from scripts.make_student import main, student
from scripts.move_repository import address

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*.py"))

every_chapter = pytest.mark.parametrize("stem", STEMS)


def chapter(stem: str) -> Any:
    return jupytext.read(FOLDER / f"{stem}.py")


def handed_out(stem: str) -> Any:
    return student(chapter(stem), beside=[f"{s}.ipynb" for s in STEMS])


def links(notebook: Any) -> list[str]:
    """Where a notebook's links lead, as a Markdown parser reads them."""
    tokens = [
        token
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for block in MarkdownIt().parse(cell.source)
        for token in block.children or []
    ]
    found = [t.attrGet("href") or t.attrGet("src") for t in tokens]
    return [str(link) for link in found if link]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def told_apart(stem: str) -> tuple[set[str], set[str]]:
    """The lines outside all solutions, and those that stand in one.

    Read from the file's text alone, with no parser of directives.
    """
    outside: set[str] = set()
    inside: set[str] = set()
    hidden = False
    for cell in chapter(stem).cells:
        for line in lines(cell.source):
            if line.startswith("```{solution-start}"):
                hidden = True
            (inside if hidden else outside).add(line)
            if line.startswith("```{solution-end}"):
                hidden = False
    return outside, inside


@every_chapter
def test_no_line_of_a_solution_is_handed_out(stem: str) -> None:
    outside, inside = told_apart(stem)
    assert inside, "there is nothing to hide"
    given = {
        line
        for cell in handed_out(stem).cells
        for line in lines(cell.source)
    }
    assert given & (inside - outside) == set()


@every_chapter
def test_everything_else_is_handed_out(stem: str) -> None:
    outside, _ = told_apart(stem)
    given = {
        line.removeprefix("> ").strip()
        for cell in handed_out(stem).cells
        for line in lines(cell.source)
    }
    fence = re.compile(r"(```|:::)|:(label|class|list): ")
    key = re.compile(r"[a-z]+\d{4}$")  # becomes an entry of the references
    file = re.compile(r"\]\(\.\./")  # is linked to by another address
    missing = {
        line
        for line in outside - given
        if not (fence.match(line) or key.match(line) or file.search(line))
    }
    assert missing == set()


@every_chapter
def test_first_cell_and_every_starter_are_whole(stem: str) -> None:
    code = [c for c in chapter(stem).cells if c.cell_type == "code"]
    wanted = [code[0].source] + [
        cell.source
        for cell in code
        if "exercise" in cell.metadata.get("tags", [])
    ]
    given = [c.source for c in handed_out(stem).cells]
    assert len(wanted) > 3
    assert [source for source in wanted if source not in given] == []


@every_chapter
def test_plain_jupyter_shows_no_directive(stem: str) -> None:
    notebook = handed_out(stem)
    nbformat.validate(notebook)
    titles = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"^(```|:::+)\{", cell.source, re.M)
            assert not re.search(r"^(> )?:\w+: ", cell.source, re.M)
            titles += len(
                re.findall(r"^### Exercise \d", cell.source, re.M)
            )
        else:
            assert cell.outputs == []
            assert cell.execution_count is None
    source = (FOLDER / f"{stem}.py").read_text(encoding="utf-8")
    assert titles == source.count("```{exercise}")


@every_chapter
def test_nothing_is_used_that_only_a_solution_defines(
    stem: str, tmp_path: Path
) -> None:
    path = tmp_path / f"{stem}.ipynb"
    nbformat.write(handed_out(stem), path)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated"]
    found = subprocess.run(
        [*ruff, "--no-cache", "--select", "F821", str(path)],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr


# ------------------------------------------------------------------ links


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    main(["--output", str(tmp_path)])
    made = {path.name: path for path in tmp_path.iterdir()}
    assert len(made) == len(STEMS)
    for path in made.values():
        for link in links(nbformat.read(path, as_version=4)):
            assert link in made or link.startswith("https://"), path.name


def publish(site: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """As if the book were published there; "" is nowhere."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    config["html"]["baseurl"] = site
    config["repository"]["branch"] = "trunk"
    (folder / "_config.yml").write_text(yaml.safe_dump(config), "utf-8")
    shutil.copy(ROOT / "_toc.yml", folder)
    patch.setattr(contents, "ROOT", folder)


def test_each_file_linked_to_is_in_the_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish("", tmp_path, monkeypatch)
    files = f"{address()}/blob/trunk/"
    found = {
        link.removeprefix(files)
        for stem in STEMS
        for link in links(student(chapter(stem)))  # with none beside it
        if link.startswith(files)
    }
    assert {"book/many-gpus.md", "notebooks/01_task.ipynb"} <= found
    assert [path for path in found if not (ROOT / path).is_file()] == []


def test_where_the_book_is_published_links_lead_to_its_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish("https://a.org/b/", tmp_path, monkeypatch)
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


# ---------------------------------------------------------------- by hand

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


def test_a_small_notebook_line_by_line() -> None:
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


def test_the_command_writes_notebooks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "chapter.py"
    script.write_text(SCRIPT, encoding="utf-8")
    main(["--output", str(tmp_path / "out"), str(script)])
    path = tmp_path / "out" / "chapter.ipynb"
    assert capsys.readouterr().out == f"{path}\n"
    made = nbformat.read(path, as_version=4)
    assert len(made.cells) == 3
