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
from zipfile import ZIP_DEFLATED, ZipFile

import jupytext
import nbformat

from scripts.make_student import find_chapter, student
from scripts.move_repository import ROOT
from unitconv.common.errors import UnitconvError

SETUP = """\
#!/usr/bin/env bash
# Choose an image with Python 3.11 or newer, such as Ubuntu 24.04.
set -e
cd /autograder/source
chmod 700 /autograder/source  # from submissions, which run as others
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install -r requirements.txt -c constraints.txt
"""
RUN = """\
#!/usr/bin/env bash
cd /autograder/source
/autograder/venv/bin/python -m scripts.grade_submissions \\
    --gradescope /autograder/results/results.json --hidden hidden.py \\
    chapter.ipynb /autograder/submission/*.ipynb
"""
GRADER = ("jupytext", "nbformat", "ipython")


def contents(chapter: Path, hidden: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and the contents of the files of a zip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = [*project["project"]["dependencies"], *GRADER]
    handed_out = nbformat.writes(student(jupytext.read(chapter)))
    for name, text in [
        ("setup.sh", SETUP),
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
    parser.add_argument("chapters", nargs="+", help="numbers, such as 8")
    parser.add_argument("--hidden", type=Path, help="checks of your own")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "_build" / "autograder"
    )
    options = parser.parse_args(arguments)
    hidden = options.hidden.read_text("utf-8") if options.hidden else ""
    chapters = [find_chapter(number) for number in options.chapters]
    options.output.mkdir(parents=True, exist_ok=True)
    for chapter in chapters:
        path = options.output / f"{chapter.stem}.zip"
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for name, content in contents(chapter, hidden):
                archive.writestr(name, content)
        print(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UnitconvError, OSError) as error:
        sys.exit(f"error: {error}")
