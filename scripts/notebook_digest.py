"""Digest of what a notebook's outputs were made from.

The committed outputs are what the book shows, and nobody executes them
again to build it. `scripts.run_notebooks` therefore writes a digest into
the metadata of each notebook that it executes. It holds hashes of

- the code cells, and the outputs that are stored;
- the code of each module of `unitconv` that the kernel imported. Comments
  and docstrings do not count, because they change no output;
- the whole text of each module whose source the kernel read, as
  `inspect.getsource` does through `linecache`;
- the data (questions, records, weights) of each of the packages that those
  modules belong to, whether it was read or not.

`outdated` compares a digest with the present files. It takes milliseconds,
and a test asks it about every notebook. Versions of other packages are not
in the digest: nbval executes every notebook with those installed.
"""

import ast
import hashlib
import json
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens
from typing import Any

from nbformat import NotebookNode

from scripts.move_repository import ROOT, address

KEY = "executed"  # of the notebook's metadata
LIBRARY = ROOT / "unitconv"

# Runs after the last cell, and is dropped again.
REPORT = """
import json, linecache, sys
imported = [
    module.__file__
    for name, module in sys.modules.items()
    if name.split(".")[0] == "unitconv"
]
# An entry of length 1 is a note of where to read, should anybody ask.
read = [name for name, entry in linecache.cache.items() if len(entry) > 1]
print(json.dumps([imported, read]))
"""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def digest(notebook: NotebookNode, report: str) -> dict[str, Any]:
    """Return the digest of a notebook that was just executed.

    Args:
        report: what `REPORT` printed in the notebook's kernel.
    """
    imported, read = (
        {path for path in map(Path, names) if path.is_relative_to(LIBRARY)}
        for names in json.loads(report)
    )
    source = "".join(cell.source for cell in notebook.cells)
    if "getdoc" in source or "__doc__" in source:
        read = imported
    packages = {path.parent for path in imported} - {LIBRARY}
    data = {
        path.parent
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    return _cells(notebook) | {
        "code": _hashes(imported - read, code_hash),
        "bytes": _hashes(imported & read | data, bytes_hash),
    }


def outdated(notebook: NotebookNode) -> list[str]:
    """Return what changed since the notebook was executed."""
    old = notebook.metadata.get(KEY)
    if old is None:
        return ["never executed by `make notebooks`"]
    found = [
        f"its {part} changed"
        for part, now in _cells(notebook).items()
        if old[part] != now
    ]
    for kind, hash_of in (("code", code_hash), ("bytes", bytes_hash)):
        for name, before in old[kind].items():
            path = ROOT / name
            if not path.exists():
                found.append(f"{name} is gone")
            elif hash_of(path) != before:
                found.append(f"{name} changed")
    return found


def code_hash(path: Path) -> str:
    """Hash a module without its comments and docstrings.

    They are cut from the text, not from a dump of the syntax tree, because
    a dump differs from one version of Python to the next.
    """
    text = path.read_text(encoding="utf-8")
    lines: list[str | None] = [*text.split("\n")]
    for token in generate_tokens(StringIO(text).readline):
        if token.type == COMMENT:
            row, column = token.start
            kept = text.split("\n")[row - 1][:column].rstrip()
            lines[row - 1] = kept or None
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            first = node.body[0]
            for row in range(first.lineno, first.end_lineno + 1):
                lines[row - 1] = None
    return _hash("\n".join(line for line in lines if line is not None))


def bytes_hash(path: Path) -> str:
    """Hash a file, or the names and contents of a folder's files."""
    if path.is_file():
        return _hash(path.read_bytes())
    files = [p for p in path.iterdir() if p.is_file() and p.suffix != ".py"]
    return _hash("".join(p.name + bytes_hash(p) for p in sorted(files)))


def _cells(notebook: NotebookNode) -> dict[str, str]:
    """Hash the code and the outputs, neither with the address of a fork."""
    code = [c for c in notebook.cells if c.cell_type == "code"]
    sources = json.dumps([cell.source for cell in code])
    outputs = json.dumps([cell.outputs for cell in code], sort_keys=True)
    return {
        "cells": _hash(sources.replace(address(), "")),
        "outputs": _hash(outputs.replace(address(), "")),
    }


def _hashes(paths: set[Path], hash_of: Any) -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): hash_of(path)
        for path in sorted(paths)
    }


def _hash(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:16]
