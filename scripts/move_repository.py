"""Point the project at a fork: `make repo URL=https://...`.

pyproject.toml holds the repository's address. Files that cannot read it
there repeat it, and this script rewrites all of them. With `...@TAG`, the
first cell of each notebook fetches the library of that tag, and links lead
to it; without, those of the branch `main`.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAIN = "main"
_BRANCH = re.compile(r"(?<=^  branch: )\S+", re.M)
_TAG = r"(?:@[\w.-]+)?"

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

    source = "unitconv @ git+{url}{tag}"
    pip = [sys.executable, "-m", "pip", "install", "-q", source]
    subprocess.run(pip, check=True)"""


def address(root: Path = ROOT) -> str:
    """Return the repository's public address."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["urls"]["Repository"])


def branch(root: Path = ROOT) -> str:
    """Return the branch or the tag that links lead to."""
    [found] = _BRANCH.findall((root / "_config.yml").read_text("utf-8"))
    return str(found)


def bootstrap_cell() -> str:
    tag = "" if branch() == MAIN else f"@{branch()}"
    return BOOTSTRAP.format(url=address(), tag=tag)


def without_address(text: str) -> str:
    """Cut what a fork changes from a text."""
    return re.sub(re.escape(address()) + _TAG, "", text)


def move(new: str, root: Path = ROOT) -> list[Path]:
    """Replace the address in all tracked files; return those changed.

    Args:
        new: the address, perhaps with a tag, https://...@TAG.

    Raises:
        SystemExit: `new` is not a plain https address.
    """
    new, _, tag = new.partition("@")
    new, old = new.rstrip("/").removesuffix(".git"), address(root)
    named = re.fullmatch(r"[\w.-]*", tag)
    if not named or not re.fullmatch(r"https://[\w.-]+(/[\w.-]+){2,}", new):
        raise SystemExit(
            f"{new!r} is no repository's address: give one such as "
            "https://github.com/me/unitconv or .../unitconv@2026-fall"
        )
    git = ["git", "grep", "-IlF", old]
    listed = subprocess.run(
        git, cwd=root, capture_output=True, text=True, check=True
    )
    changed = [root / name for name in listed.stdout.splitlines()]
    # Not followed by more of a name: .../unitconv is not .../unitconv-old.
    pattern = re.compile(re.escape(old) + r"(?![\w-])")
    fetched = re.compile(rf"(?<=git\+){re.escape(new)}{_TAG}")
    for path in changed:
        text = pattern.sub(new, path.read_text(encoding="utf-8"))
        text = fetched.sub(f"{new}@{tag}" if tag else new, text)
        if path.name == "_config.yml":
            text = _BRANCH.sub(tag or MAIN, text)
        path.write_text(text, encoding="utf-8")
    return changed


if __name__ == "__main__":
    for path in move(" ".join(sys.argv[1:])):
        print(path.relative_to(ROOT))
