"""What the lab manual tells an instructor to type is understood."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from scripts import grade_adapters, grade_submissions
from scripts.make_autograder import main as make_autograder
from scripts.move_repository import ROOT

PAGES = [
    ROOT / "book" / name
    for name in ("teaching-lab.md", "teaching-assistant.md")
]


def commands(module: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of a module in the pages."""
    for page in PAGES:
        text = page.read_text("utf-8").replace("\\\n", " ")
        shown = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S)
        inline = re.findall(r"`(python -m [^`]+)`", text)
        shown += [span.replace("\n", " ") for span in inline]
        for line in "\n".join(shown).splitlines():
            _, found, arguments = line.partition(f"scripts.{module} ")
            if found:
                yield shlex.split(arguments.replace("$SECRET", "4711"))


def test_commands_of_the_graders_have_their_options() -> None:
    graded = [*map(grade_submissions.parse, commands("grade_submissions"))]
    assert len(graded) >= 2
    for options in graded:
        assert options.chapter.name in ("01_task.py", "chapter.ipynb")
        assert [str(one) for one in options.handed_in] == [
            "handed_in/*.ipynb"
        ]
    adapters = [*map(grade_adapters.parse, commands("grade_adapters"))]
    assert [(one.exercise, one.seed) for one in adapters] == [("rft", 4711)]


def test_recipe_for_docker_uses_files_of_the_zip(tmp_path: Path) -> None:
    text = PAGES[0].read_text("utf-8")
    [recipe] = re.findall(r"^```dockerfile\n(.*?)^```", text, re.M | re.S)
    make_autograder(["1", "--output", str(tmp_path)])
    with ZipFile(tmp_path / "01_task.zip") as archive:
        names = {*archive.namelist()}
        setup = archive.read("setup.sh").decode()
    [script] = re.findall(r"bash /autograder/source/(\S+)", recipe)
    [python] = re.findall(r'"/autograder/(venv/bin/python)"', recipe)
    assert {script, "chapter.ipynb", "hidden.py"} <= names
    assert "scripts/grade_submissions.py" in names
    assert f'"$here/{python}"' in setup
