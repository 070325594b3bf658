"""Point the project at a fork: `make repo URL=https://...`.

pyproject.toml holds the repository's address. Files that cannot read it
there repeat it, and this script rewrites all of them.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

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
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["urls"]["Repository"])


def bootstrap_cell() -> str:
    return BOOTSTRAP.format(url=address())


def move(new: str, root: Path = ROOT) -> list[Path]:
    """Replace the address in all tracked files; return those changed.

    Raises:
        SystemExit: `new` is not a plain https address.
    """
    new, old = new.rstrip("/").removesuffix(".git"), address(root)
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+){2,}", new):
        raise SystemExit(
            f"{new!r} is no repository's address: give one such as "
            "https://github.com/me/unitconv"
        )
    git = ["git", "grep", "-IlF", old]
    listed = subprocess.run(
        git, cwd=root, capture_output=True, text=True, check=True
    )
    changed = [root / name for name in listed.stdout.splitlines()]
    # Not followed by more of a name: .../unitconv is not .../unitconv-old.
    pattern = re.compile(re.escape(old) + r"(?![\w-])")
    for path in changed:
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(new, text), encoding="utf-8")
    return changed


if __name__ == "__main__":
    for path in move(" ".join(sys.argv[1:])):
        print(path.relative_to(ROOT))
