"""Digest of the files that the outputs of a notebook depend on.

The book shows stored outputs. `scripts.run_notebooks` writes a digest into
each notebook it executes, and a test compares it with the present files in
milliseconds. It has hashes of the code cells, of the outputs, of

- each module of `unitconv` that the kernel imported, without its comments
  and docstrings, which change no output ("code");
- each module whose source the kernel read, as `inspect.getsource` does
  through `linecache`, and each folder of data beside the modules ("text").

Other packages are not in it: `make test` executes every notebook with those
that are installed.
"""

import ast
import hashlib
import json
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens

from nbformat import NotebookNode

from scripts.move_repository import ROOT, without_address

KEY = "digest"  # in the notebook's metadata
LIBRARY = ROOT / "unitconv"

# A last cell, which is not stored. An entry of length 1 in the line cache
# only says how the source could be read.
REPORT = """
import json, linecache, sys
ours = [name for name in sys.modules if name.split(".")[0] == "unitconv"]
read = [name for name, entry in linecache.cache.items() if len(entry) > 1]
print(json.dumps([[sys.modules[name].__file__ for name in ours], read]))
"""


def digest(notebook: NotebookNode, report: str) -> dict[str, str]:
    """Return the digest of a notebook from what `REPORT` printed."""
    imported, read = (
        {path for path in map(Path, names) if path.is_relative_to(LIBRARY)}
        for names in json.loads(report)
    )
    if any("getdoc" in cell.source for cell in notebook.cells):
        read = imported
    data = {
        path.parent
        for package in {path.parent for path in imported} - {LIBRARY}
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    kinds = dict.fromkeys(imported, "code")
    kinds |= dict.fromkeys(imported & read | data, "text")
    names = {p.relative_to(ROOT).as_posix(): k for p, k in kinds.items()}
    return _hash_notebook(notebook) | _hash_files(names)


def find_changes(notebook: NotebookNode) -> list[str]:
    """Return what changed since the notebook was executed."""
    old = notebook.metadata.get(KEY)
    if old is None:
        return ["it was not executed by `make notebooks`"]
    kinds = {n: hashed.split()[0] for n, hashed in old.items() if "/" in n}
    new = _hash_notebook(notebook) | _hash_files(kinds)
    return [name for name in old if old[name] != new[name]]


def _hash_notebook(notebook: NotebookNode) -> dict[str, str]:
    """Hash code and outputs, without the address, which a fork changes."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    parts = {
        "cells": [cell.source for cell in code],
        "outputs": [cell.outputs for cell in code],
    }
    texts = {k: json.dumps(v, sort_keys=True) for k, v in parts.items()}
    return {
        name: _hash(without_address(text).encode())
        for name, text in texts.items()
    }


def _hash_files(kinds: dict[str, str]) -> dict[str, str]:
    """Hash files and folders, named from the root, by their kinds."""
    hashes = {}
    for name, kind in sorted(kinds.items()):
        path, content = ROOT / name, b""
        if kind == "code" and path.exists():
            content = strip_comments(path.read_text("utf-8")).encode()
        elif path.is_file():
            content = path.read_bytes()
        elif path.is_dir():
            data = [p for p in path.iterdir() if p.is_file()]
            content = b"".join(
                p.name.encode() + p.read_bytes()
                for p in sorted(data)
                if p.suffix != ".py"
            )
        hashes[name] = f"{kind} {_hash(content)}"
    return hashes


def strip_comments(text: str) -> str:
    """Cut comments and docstrings from a module.

    The text is cut, because a dump of the syntax tree differs from one
    version of Python to the next.
    """
    lines: list[str | None] = [*text.split("\n")]
    for token in generate_tokens(StringIO(text).readline):
        if token.type == COMMENT:
            row, column = token.start
            lines[row - 1] = token.line[:column].rstrip() or None
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(ast.Constant(str()), end_lineno=int(last)):
                first = node.lineno
                lines[first - 1 : last] = [None] * (last - first + 1)
    return "\n".join(line for line in lines if line is not None)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
