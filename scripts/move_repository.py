"""Where the project lives, and how a fork moves it somewhere else.

`[project.urls]` of pyproject.toml is the one place where the address
stands. Some files have to repeat it, for want of a way to read it from
there: this file finds them, `make repo URL=...` rewrites them, and
tests/scripts/test_move_repository.py checks them.
"""

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

MADE = {".venv", "_build", "mathjax"}
TEXT = {".cff", ".ipynb", ".md", ".py", ".toml", ".yml"}

# The first code cell of every notebook. Not the usual %pip: jupytext writes
# an indented magic as a comment and never reads it back.
BOOTSTRAP = """\
# On Colab, fetch the library. pip upgrades only what is too old for it
# (its default), so Colab's own torch and numpy stay as they are.
try:
    import unitconv
except ImportError:
    import subprocess
    import sys

    source = "unitconv @ git+{url}"
    pip = [sys.executable, "-m", "pip", "install", "-q", source]
    subprocess.run(pip, check=True)"""


def address(root: Path = ROOT) -> str:
    """Return the repository's public address."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    return str(project["project"]["urls"]["Repository"])


def bootstrap_cell(root: Path = ROOT) -> str:
    """Return the first code cell that every notebook must have."""
    return BOOTSTRAP.format(url=address(root))


def text_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield the project's own text files that may repeat the address."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name not in MADE and not name.startswith((".", "__"))
        )
        for name in sorted(names):
            if Path(name).suffix in TEXT:
                yield Path(folder, name)


def move(new: str, root: Path = ROOT) -> list[Path]:
    """Replace the address wherever it stands; return the changed files.

    Raises ValueError if `new` is not a plain https address.
    """
    new = new.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+){2,}", new):
        raise ValueError(
            f"{new!r} is no repository's address: give one such as "
            "https://github.com/me/unitconv"
        )
    # Not followed by more of a name: .../unitconv is not .../unitconv-old.
    old = re.compile(re.escape(address(root)) + r"(?![\w-])")
    changed = []
    for path in text_files(root):
        text = path.read_text(encoding="utf-8")
        moved = old.sub(new, text)
        if moved != text:
            path.write_text(moved, encoding="utf-8")
            changed.append(path)
    return changed


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(f"The repository is at {address()}")
        print("Move it with: make repo URL=https://github.com/me/unitconv")
        return 0 if not arguments else 2
    try:
        changed = move(arguments[0])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in changed:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
