"""Point the project at a fork: `make repo URL=https://...`.

`[project.urls]` of pyproject.toml is the one place where the repository's
address stands. Files that cannot read it there repeat it, and this script
rewrites them all.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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
    """Return the repository's public address, from pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["urls"]["Repository"])


def bootstrap_cell(root: Path = ROOT) -> str:
    """Return the first code cell that every notebook must have."""
    return BOOTSTRAP.format(url=address(root))


def text_files(root: Path = ROOT) -> list[Path]:
    """Return the project's tracked text files that may hold the address."""
    git = ["git", "-C", str(root), "ls-files"]
    listed = subprocess.run(git, capture_output=True, text=True, check=True)
    paths = [root / name for name in listed.stdout.splitlines()]
    return [p for p in paths if p.suffix in TEXT and p.is_file()]


def move(new: str, root: Path = ROOT) -> list[Path]:
    """Replace the address wherever it stands; return the changed files.

    Raises:
        SystemExit: `new` is not a plain https address.
    """
    new = new.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+){2,}", new):
        raise SystemExit(
            f"{new!r} is no repository's address: give one such as "
            "https://github.com/me/unitconv"
        )
    # Not followed by more of a name: .../unitconv is not .../unitconv-old.
    old = re.compile(re.escape(address(root)) + r"(?![\w-])")
    changed = []
    for path in text_files(root):
        text = path.read_text(encoding="utf-8")
        if (moved := old.sub(new, text)) != text:
            path.write_text(moved, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    for path in move(" ".join(sys.argv[1:])):
        print(path.relative_to(ROOT))
