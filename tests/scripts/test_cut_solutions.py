"""A book without solutions has no line that stands only in solutions."""

from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

from scripts.cut_solutions import copy_book, cut
from scripts.move_repository import ROOT


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book") / "copy"
    copy_book(folder)
    return folder


def split_lines(path: Path) -> tuple[set[str], set[str]]:
    """Return the lines outside and inside solutions, without a parser."""
    sides: tuple[set[str], set[str]] = (set(), set())
    inside = False
    for cell in jupytext.read(path).cells:
        for line in cell.source.splitlines():
            inside |= line.startswith("```{solution-start}")
            sides[inside].add(line.strip())
            inside &= not line.startswith("```{solution-end}")
    return sides


@pytest.mark.parametrize(
    "name", [p.name for p in sorted((ROOT / "notebooks").glob("*.ipynb"))]
)
def test_solutions_are_cut_and_nothing_else(name: str, copy: Path) -> None:
    path = ROOT / "notebooks" / name
    outside, inside = split_lines(path)
    made = nbformat.read(copy / "notebooks" / name, as_version=4)
    nbformat.validate(made)
    lines = {x.strip() for c in made.cells for x in c.source.splitlines()}
    assert lines & (inside - outside) == set()
    assert outside - lines - {"", "```"} == set()
    # Outputs and all: what only a solution has is in no byte of the file.
    content = (copy / "notebooks" / name).read_text("utf-8")
    for line in inside - outside:
        if len(line) > 40 and '"' not in line:
            assert line not in content
    stored = nbformat.read(path, as_version=4)
    solved = [c for c in stored.cells if c.metadata.get("tags")]
    solved = [c for c in solved if "solution" in c.metadata.tags]
    assert solved
    assert '"Solved.' not in content


def test_nothing_else_of_the_repository_is_in_the_copy(copy: Path) -> None:
    assert {path.name for path in copy.iterdir()} == {
        *("book", "notebooks", "_config.yml", "_toc.yml"),
    }
    assert not [*copy.glob("notebooks/*.py")]
    config = yaml.safe_load((copy / "_config.yml").read_text("utf-8"))
    assert not config["launch_buttons"]


def test_solution_without_end_is_refused() -> None:
    text = "```{solution-start} ex\n```\nIt is 1."
    cell = nbformat.v4.new_markdown_cell(text)
    with pytest.raises(ValueError, match="does not end"):
        cut(nbformat.v4.new_notebook(cells=[cell]))
