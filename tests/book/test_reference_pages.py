"""The reference leaves nothing out, and says something of everything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from reference import OPTION, command_help

from unitconv.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "book").glob("reference*.md"))
SHOWN = [
    name
    for page in PAGES
    for name in re.findall(
        r"^\.\. automodule:: (\S+)$", page.read_text(), re.M
    )
]
Defined = ast.FunctionDef | ast.ClassDef


def modules() -> dict[str, Path]:
    """Every public module by name. Of commands the page shows the help."""
    found = {}
    for path in (ROOT / "unitconv").rglob("*.py"):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            del parts[-1]
        is_command = "cli" in parts or parts[-1] == "command"
        private = any(part.startswith("_") for part in parts)
        if not private and not is_command and len(parts) > 1:
            found[".".join(parts)] = path
    return found


def test_every_module_is_shown_once() -> None:
    assert sorted(SHOWN) == sorted(modules())


def test_every_command_is_shown_with_its_options() -> None:
    text = command_help()
    headings = re.findall(r"^## unitconv (\S+)$", text, re.M)
    commands = [
        c.name or c.callback.__name__ for c in app.registered_commands
    ]
    commands += [group.name for group in app.registered_groups]
    assert headings == commands
    assert "* `--show-prompt`: Print what it reads." in text
    # A tag in the text of a page would be HTML, two hyphens a dash.
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    assert not re.search(r"<\w|--", prose)


def test_options_are_set_in_type_once() -> None:
    mark = OPTION.sub(lambda m: m[1] or f"`{m[2]}`", "`-o, --out`: no --in")
    assert mark == "`-o, --out`: no `--in`"


def public(tree: ast.Module) -> Iterator[tuple[str, Defined]]:
    """Functions and classes of a module, and methods of the classes."""
    for node in tree.body:
        if not isinstance(node, Defined) or node.name.startswith("_"):
            continue
        yield node.name, node
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if (
                    isinstance(part, ast.FunctionDef)
                    and not part.name.startswith("_")
                    and "overload"
                    not in map(ast.unparse, part.decorator_list)
                ):
                    yield f"{node.name}.{part.name}", part


@pytest.mark.parametrize("name", sorted(modules()))
def test_everything_public_has_a_docstring(name: str) -> None:
    tree = ast.parse(modules()[name].read_text())
    assert ast.get_docstring(tree)
    assert [
        n for n, node in public(tree) if not ast.get_docstring(node)
    ] == []


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_property_does_not_begin_like_a_type(name: str) -> None:
    """In "Kind: text" of a property, Google's style has a type."""
    tree = ast.parse(modules()[name].read_text())
    firsts = [
        (ast.get_docstring(node) or "").split("\n")[0]
        for _, node in public(tree)
        if "property" in map(ast.unparse, node.decorator_list)
    ]
    comments = re.findall(r"#: (.+)$", modules()[name].read_text(), re.M)
    assert [text for text in firsts + comments if ": " in text] == []
