"""Executed notebooks are stable, and their digest notices what matters."""

import asyncio
from pathlib import Path

import nbformat
import pytest

from scripts import notebook_digest
from scripts.move_repository import ROOT
from scripts.notebook_digest import find_changes, strip_comments
from scripts.run_notebooks import changes, execute, main

SCRIPT = """\
# %%
import inspect

from unitconv.common import exercises
from unitconv.task import units

print(inspect.getsource(exercises.attempt)[:11])

# %% [markdown]
# Some text.

# %%
units.__name__
"""

MODULE = '''\
"""A module."""

# A comment.
LIMIT = "#3"  # another


def double(x):
    """Return twice x."""
    return 2 * x
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""A module."""', '"""Another\n\nmodule."""', True),
        ("# A comment.\n", "", True),
        ("# A comment.", "# One.\n# Two.", True),
        ("  # another", "", True),
        ("twice x", "the double", True),
        ("#3", "#4", False),
        ("2 * x", "3 * x", False),
        ("(x)", "(x=1)", False),
    ],
)
def test_comments_and_docstrings_are_no_code(
    old: str, new: str, same: bool
) -> None:
    changed = strip_comments(MODULE.replace(old, new))
    assert (changed == strip_comments(MODULE)) is same


@pytest.mark.slow
def test_a_notebook_is_out_of_date_when_what_it_used_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "chapter.py"
    script.write_text(SCRIPT, encoding="utf-8")
    assert changes(script) == ["there is no .ipynb"]
    path = asyncio.run(execute(script))
    stored = path.read_bytes()
    assert changes(script) == []
    asyncio.run(execute(script))
    assert path.read_bytes() == stored, "a run is not stable"

    notebook = nbformat.read(path, as_version=4)
    digest = notebook.metadata["digest"]
    assert digest["unitconv/task/units.py"].startswith("code ")
    assert digest["unitconv/common/exercises.py"].startswith("text ")
    assert digest["unitconv/task/data"].startswith("text ")
    assert not any("figures" in name for name in digest)

    script.write_text(SCRIPT.replace("text", "words"), encoding="utf-8")
    assert changes(script) == [], "text is not executed"
    script.write_text(SCRIPT.replace("11", "12"), encoding="utf-8")
    assert changes(script) == ["its .py"]
    notebook.cells[0].outputs[0].text = "edited by hand"
    assert find_changes(notebook) == ["outputs"]

    library = tmp_path / "unitconv"
    for name in digest:
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            copy.write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(notebook_digest, "ROOT", tmp_path)
    for name in ("task/units.py", "common/exercises.py"):
        with (library / name).open("a", encoding="utf-8") as file:
            file.write("# A comment.\n")
    notebook = nbformat.read(path, as_version=4)
    assert find_changes(notebook) == [
        "unitconv/common/exercises.py",  # its text was printed
        "unitconv/task/data",  # is not there
    ]


@pytest.mark.slow
def test_a_failing_notebook_keeps_its_outputs_and_fails_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "chapter.py"
    script.write_text("# %%\n1 / 0\n", encoding="utf-8")
    script.with_suffix(".ipynb").write_text("as it was", encoding="utf-8")
    assert main([str(script)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert script.with_suffix(".ipynb").read_text() == "as it was"
