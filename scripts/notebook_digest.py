"""Digest of what a notebook's outputs were made from.

The book shows the outputs that are stored in the notebooks. To prove that
they are those of the present code, `scripts.run_notebooks` writes a digest
into the metadata of each notebook it executes, and a test compares it with
the present files, which takes milliseconds. The digest has hashes of

- the code cells, and the outputs;
- the code of each module of `unitconv` that the kernel imported. Comments
  and docstrings do not count, because they change no output;
- the whole text of each module whose source the kernel read, as
  `inspect.getsource` does through `linecache`;
- the data (questions, records, weights) in the packages of those modules,
  whether it was read or not.

The versions of other packages are not in it: nbval, in `make test`,
executes every notebook with those that are installed.
"""

import ast
import hashlib
import json
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens
from typing import Any

from nbformat import NotebookNode

from scripts.move_repository import ROOT, address

KEY = "executed"  # in the notebook's metadata
LIBRARY = ROOT / "unitconv"

# A last cell, which is not stored. An entry of length 1 in the line cache
# only says how the source could be read.
REPORT = """
import json, linecache, sys
ours = [name for name in sys.modules if name.split(".")[0] == "unitconv"]
read = [name for name, entry in linecache.cache.items() if len(entry) > 1]
print(json.dumps([[sys.modules[name].__file__ for name in ours], read]))
"""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def digest(notebook: NotebookNode, report: str) -> dict[str, Any]:
    """Return the digest of a notebook from what `REPORT` printed."""
    imported, read = (
        {path for path in map(Path, names) if path.is_relative_to(LIBRARY)}
        for names in json.loads(report)
    )
    source = "".join(cell.source for cell in notebook.cells)
    if "getdoc" in source or "__doc__" in source:
        read = imported
    data = {
        path.parent
        for package in {path.parent for path in imported} - {LIBRARY}
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    return _hash_cells(notebook) | {
        "code": _hash_all(imported - read, hash_code),
        "bytes": _hash_all(imported & read | data, hash_bytes),
    }


def find_changes(notebook: NotebookNode) -> list[str]:
    """Return what changed since the notebook was executed."""
    old = notebook.metadata.get(KEY)
    if old is None:
        return ["it was not executed by `make notebooks`"]
    new = _hash_cells(notebook)
    for kind, hash_one in (("code", hash_code), ("bytes", hash_bytes)):
        paths = [ROOT / name for name in old[kind]]
        new[kind] = _hash_all(filter(Path.exists, paths), hash_one)
    return [
        *(part for part in ("cells", "outputs") if old[part] != new[part]),
        *(
            name
            for kind in ("code", "bytes")
            for name, hashed in old[kind].items()
            if new[kind].get(name) != hashed
        ),
    ]


def hash_code(path: Path) -> str:
    """Hash a module without its comments and docstrings.

    They are cut from the text, not from a dump of the syntax tree, because
    a dump differs from one version of Python to the next.
    """
    text = path.read_text(encoding="utf-8")
    lines: list[str | None] = [*text.split("\n")]
    for token in generate_tokens(StringIO(text).readline):
        if token.type == COMMENT:
            row, column = token.start
            lines[row - 1] = token.line[:column].rstrip() or None
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            first, last = node.body[0].lineno, node.body[0].end_lineno
            for row in range(first, (last or first) + 1):
                lines[row - 1] = None
    return _hash("\n".join(line for line in lines if line is not None))


def hash_bytes(path: Path) -> str:
    """Hash a file, or the names and contents of a folder's data."""
    if path.is_file():
        return _hash(path.read_bytes())
    files = sorted(p for p in path.iterdir() if p.is_file())
    return _hash(
        "".join(p.name + hash_bytes(p) for p in files if p.suffix != ".py")
    )


def _hash_cells(notebook: NotebookNode) -> dict[str, Any]:
    """Hash code and outputs, without the address, which a fork changes."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    parts = {
        "cells": [cell.source for cell in code],
        "outputs": [cell.outputs for cell in code],
    }
    return {
        name: _hash(json.dumps(x, sort_keys=True).replace(address(), ""))
        for name, x in parts.items()
    }


def _hash_all(
    paths: Iterable[Path], hash_one: Callable[[Path], str]
) -> dict[str, Any]:
    return {
        path.relative_to(ROOT).as_posix(): hash_one(path)
        for path in sorted(paths)
    }


def _hash(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:16]
