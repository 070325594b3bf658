"""Each student has numbers of their own, and the grader knows them."""

import re
from itertools import pairwise
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

from scripts.drawn_numbers import NUMBERS, Draw
from scripts.grading.chapter import find_attempts
from scripts.make_student import find_chapter, main
from scripts.move_repository import ROOT
from unitconv.common.errors import UnitconvError

PLAN = yaml.safe_load(NUMBERS.read_text("utf-8"))


@pytest.mark.parametrize("chapter", PLAN)
def test_every_replacement_fits_its_chapter(chapter: str) -> None:
    cells = jupytext.read(ROOT / "notebooks" / f"{chapter}.py").cells
    checks = set()
    for text, cell in pairwise(cells):
        if "exercise" not in cell.metadata.get("tags", []):
            continue
        [check] = find_attempts(cell.source)
        _, _, asked = text.source.rpartition("```{exercise}")
        for old in PLAN[chapter].get(check, {"replace": {}})["replace"]:
            assert old in cell.source or old in asked
            checks.add(check)
    assert checks == PLAN[chapter].keys()


def test_draws_depend_on_seed_and_name_and_are_valid_python() -> None:
    for chapter in PLAN:
        drawn = {}
        for name in ("ada", "bob", "eve"):
            for seed in ("1", "2"):
                book = jupytext.read(ROOT / "notebooks" / f"{chapter}.py")
                Draw(chapter, name, seed).put_into(book)
                cells = [c.source for c in book.cells]
                for cell in book.cells:
                    if "exercise" in cell.metadata.get("tags", []):
                        compile(cell.source, chapter, "exec")
                drawn[name, seed] = "\n".join(cells)
        assert len(set(drawn.values())) > 2
    again = jupytext.read(ROOT / "notebooks" / f"{chapter}.py")
    Draw(chapter, "bob", "2").put_into(again)
    assert "\n".join(c.source for c in again.cells) == drawn["bob", "2"]


def test_check_finds_the_truth_for_any_draw() -> None:
    """The ounces of chapter 1, with its own imports."""
    book = jupytext.read(find_chapter("1"))
    sources = [c.source for c in book.cells if c.cell_type == "code"]
    [cell] = [s for s in sources if "def check_ounce" in s]
    imports = re.findall(r"^from unitconv.* import .*$", sources[1], re.M)
    seen = set()
    for name in map(str, range(5)):
        made = Draw("01_task", name, "s").cell("check_ounce", cell)
        space: dict[str, object] = {}
        before = ["import math", *imports]
        before.append("from unitconv.task.units import UnitError")
        exec("\n".join([*before, made]), space)
        exec("right = [outcome(r) for r in requests]", space)
        exec("check_ounce(right)", space)
        seen.add(str(space["right"]))
        with pytest.raises(AssertionError):
            exec("check_ounce([237, 0.227, 'error'])", space)
    assert len(seen) > 1


def test_chapter_that_changed_is_told() -> None:
    with pytest.raises(UnitconvError, match="check_fool"):
        Draw("01_task", "ada", "1").cell("check_fool", "x = 1")


def test_class_gets_a_folder_each(tmp_path: Path) -> None:
    roster = tmp_path / "class.csv"
    roster.write_text('student,id\n"Lovelace, Ada",al\nbob,b\n', "utf-8")
    options = ["--roster", str(roster), "--output", str(tmp_path / "out")]
    with pytest.raises(UnitconvError, match="seed"):
        main(["1", *options])
    main(["1", "--seed", "secret", *options])
    found = sorted(p.parent.name for p in tmp_path.glob("out/*/*.ipynb"))
    assert found == ["Lovelace_ Ada", "bob"]
    made = nbformat.read(tmp_path / "out" / "bob" / "01_task.ipynb", 4)
    source = "\n".join(cell.source for cell in made.cells)
    own = Draw("01_task", "bob", "secret").replaced("check_fool")
    assert all(new in source for new in own.values())
    assert "secret" not in source


def test_chapter_that_is_not_there() -> None:
    with pytest.raises(UnitconvError, match="no chapter 55"):
        main(["55"])
