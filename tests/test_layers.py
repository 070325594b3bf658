"""The library is a house of floors: a file imports from below only.

The floors are read from CONTRIBUTING.md, so that what people are told and
what is tested cannot part.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "unitconv"


def floors() -> dict[str, int]:
    """File or folder name without ending -> its floor."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return {
        name.removesuffix(".py").rstrip("/"): int(floor)
        for floor, names in re.findall(r"^\| (\d) \| (.+) \|$", text, re.M)
        for name in re.findall(r"`([^`]+)`", names)
    }


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms a file imports from, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{a.name}" for a in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "unitconv" and len(parts) > 1:
                found.add(parts[1])
    return found


def test_every_file_has_a_floor() -> None:
    rooms = {
        room(path)
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert rooms == set(floors())


def test_files_import_from_the_floors_below() -> None:
    floor = floors()
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
        for name in imported(path)
        if name in floor
        and name != room(path)
        and floor[name] >= floor[room(path)]
    ]
    assert wrong == []


def test_the_search_for_imports_finds_some() -> None:
    assert {"llm", "grading", "rates"} <= imported(
        PACKAGE / "evaluation.py"
    )
