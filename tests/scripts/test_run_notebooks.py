"""Executed notebooks are stable, and their digest notices what matters."""

import asyncio
from pathlib import Path

import nbformat
import pytest

from scripts import notebook_digest
from scripts.move_repository import ROOT
from scripts.notebook_digest import find_changes, hash_code
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


def code_hash(text: str, folder: Path) -> str:
    path = folder / "module.py"
    path.write_text(text, encoding="utf-8")
    return hash_code(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another\n\nmodule."""'),
        ("# A comment.\n", ""),
        ("# A comment.", "# One.\n# Two."),
        ("  # another", ""),
        ("twice x", "the double"),
    ],
)
def test_comments_and_docstrings_are_not_in_the_hash_of_code(
    tmp_path: Path, old: str, new: str
) -> None:
    assert old in MODULE
    changed = code_hash(MODULE.replace(old, new), tmp_path)
    assert changed == code_hash(MODULE, tmp_path)


@pytest.mark.parametrize(
    ("old", "new"), [("#3", "#4"), ("2 * x", "3 * x"), ("(x)", "(x=1)")]
)
def test_code_and_strings_are_in_it(
    tmp_path: Path, old: str, new: str
) -> None:
    changed = code_hash(MODULE.replace(old, new), tmp_path)
    assert changed != code_hash(MODULE, tmp_path)


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
    digest = notebook.metadata["executed"]
    assert "unitconv/task/units.py" in digest["code"]
    assert "unitconv/common/exercises.py" in digest["bytes"]
    assert "unitconv/task/data" in digest["bytes"]
    assert not any("figures" in name for name in digest["code"])

    script.write_text(SCRIPT.replace("text", "words"), encoding="utf-8")
    assert changes(script) == [], "text is not executed"
    script.write_text(SCRIPT.replace("11", "12"), encoding="utf-8")
    assert changes(script) == ["its .py"]
    notebook.cells[0].outputs[0].text = "edited by hand"
    assert find_changes(notebook) == ["outputs"]

    library = tmp_path / "unitconv"
    for name in [*digest["code"], *digest["bytes"]]:
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
