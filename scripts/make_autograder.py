"""Write a zip for Gradescope that grades one chapter.

    python -m scripts.make_autograder 7 8 --hidden checks.py

writes _build/autograder/08_sft.zip and so on. It holds the library, the
grader, and the chapter without its solutions. Once its packages are
installed, it needs no network.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from stat import S_IFREG
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import jupytext
import nbformat

from scripts.grading.chapter import read_chapter
from scripts.grading.weights import WEIGHTS, needs_weights
from scripts.make_student import find_chapter, student
from scripts.move_repository import ROOT
from unitconv.common.errors import UnitconvError

# AUTOGRADER names another folder than Gradescope's own, for a rehearsal.
SETUP = """\
#!/usr/bin/env bash
set -e
here=${{AUTOGRADER:-/autograder}}
cd "$here/source"
export UNITCONV_CACHE="$here/source/cache"
chmod 700 .  # from submissions, which run as another user
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and
    "choose an image with Python 3.11 or newer, such as Ubuntu 24.04")'
python3 -c 'import ensurepip' || apt-get install -y python3-venv
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -c constraints.txt {index}torch
"$here/venv/bin/pip" install -c constraints.txt -r requirements.txt
"$here/venv/bin/python" -m scripts.grade_submissions --help
{weights}"""
# Fetched when the image is made: there may be no network later.
FETCH = '"$here/venv/bin/python" -m unitconv download {}\n'
RUN = """\
#!/usr/bin/env bash
here=${AUTOGRADER:-/autograder}
cd "$here/source"
export UNITCONV_CACHE="$here/source/cache"
shopt -s globstar nullglob
found=("$here"/submission/**/*.ipynb)
exec "$here/venv/bin/python" -m scripts.grade_submissions \\
    --gradescope "$here/results/results.json" --hidden hidden.py \\
    chapter.ipynb "${found[@]:-$here/submission/one notebook.ipynb}"
"""
SCRIPTS = ("setup.sh", "run_autograder")
GRADER = ("ipython", "jupytext", "nbformat", "pyyaml")


def contents(
    chapter: Path, hidden: str, torch_index: str
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and the contents of the files of a zip."""
    index = f"--index-url {quote(torch_index)} " if torch_index else ""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = [*project["project"]["dependencies"], *GRADER]
    needed = needs_weights(read_chapter(chapter))
    weights = FETCH.format(WEIGHTS) if needed else ""
    setup = SETUP.format(index=index, weights=weights)
    handed_out = nbformat.writes(student(jupytext.read(chapter)))
    for name, text in [
        ("setup.sh", setup),
        ("run_autograder", RUN),
        ("requirements.txt", "\n".join(packages)),
        ("hidden.py", hidden),
        ("chapter.ipynb", handed_out),
    ]:
        yield name, text.encode()
    for path in [
        ROOT / "constraints.txt",
        ROOT / "scripts" / "__init__.py",
        ROOT / "scripts" / "drawn_numbers.py",
        ROOT / "scripts" / "drawn_numbers.yml",
        ROOT / "scripts" / "grade_submissions.py",
        ROOT / "scripts" / "move_repository.py",
        *sorted((ROOT / "scripts" / "grading").glob("*.py")),
        *sorted((ROOT / "unitconv").rglob("*")),
    ]:
        if path.is_file() and path.suffix != ".pyc":
            yield path.relative_to(ROOT).as_posix(), path.read_bytes()


def main(arguments: Sequence[str]) -> None:
    """Write a zip for each chapter that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_autograder"
    )
    add = parser.add_argument
    add("chapters", nargs="+", help="numbers, such as 8")
    add("--hidden", type=Path, help="checks of your own")
    add("--torch-index", default="", help="where to get torch from")
    add("--output", type=Path, default=ROOT / "_build" / "autograder")
    options = parser.parse_args(arguments)
    hidden = options.hidden.read_text("utf-8") if options.hidden else ""
    chapters = [find_chapter(number) for number in options.chapters]
    options.output.mkdir(parents=True, exist_ok=True)
    for chapter in chapters:
        path = options.output / f"{chapter.stem}.zip"
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            made = contents(chapter, hidden, options.torch_index)
            for name, content in made:
                info = ZipInfo(name)  # of 1980: the same zip each time
                mode = 0o755 if name in SCRIPTS else 0o644
                info.external_attr = (S_IFREG | mode) << 16
                archive.writestr(info, content, ZIP_DEFLATED)
        print(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UnitconvError, OSError) as error:
        sys.exit(f"error: {error}")
