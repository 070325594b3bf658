"""Grade the hostile class; write what each submission earns."""

import csv
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from experiments.hostile.bombs import BOMBS
from experiments.hostile.chapter import HIDDEN, script
from experiments.hostile.cheats import CHEATS
from experiments.hostile.files import FILES
from experiments.hostile.honest import HONEST
from experiments.hostile.submission import Submission
from scripts import grade_submissions
from scripts.grading.sandbox import FIRST_USER
from scripts.move_repository import ROOT

RECORD = ROOT / "book" / "hostile_submissions.csv"
EVERY = [*HONEST, *CHEATS, *BOMBS, *FILES]
LIMITS = {"jobs": 2, "timeout": 120, "cell-timeout": 20, "memory": 4}
OPTIONS = [word for k, v in LIMITS.items() for word in (f"--{k}", str(v))]


def grade(
    class_: Sequence[Submission], folder: Path
) -> list[dict[str, str]]:
    """Grade in a folder; return the rows of its marks.csv.

    Raises:
        RuntimeError: a submission changed a file, or left a process.
    """
    chapter, hidden = folder / "chapter.py", folder / "hidden.py"
    chapter.write_text(script(), "utf-8")
    hidden.write_text(HIDDEN, "utf-8")
    paths = [folder / f"{n:03}.ipynb" for n in range(len(class_))]
    for path, one in zip(paths, class_, strict=True):
        path.write_bytes(one.content)
    before, marks = digest(folder), folder / "marks"
    arguments = [*OPTIONS, "--hidden", hidden, "--output", marks, chapter]
    grade_submissions.main([str(one) for one in [*arguments, *paths]])
    if digest(folder) != before or left_over():
        raise RuntimeError(f"a file is changed, or left: {left_over()}")
    with (marks / "marks.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def faults(one: Submission, row: dict[str, str]) -> list[str]:
    """Return what a submission should not have earned, or should have."""
    found = [
        f"{name} {row[name]}, not {expected}"
        for name, expected in [
            ("points", one.points),
            ("hidden", one.hidden),
        ]
        if int(row[name] or 0) != expected
    ]
    if not row["reason"].startswith(one.reason):
        found.append(f"the reason is {row['reason']!r}")
    return found


def digest(folder: Path) -> str:
    """Hash what a submission must not change."""
    files = sorted(p for p in folder.iterdir() if p.is_file())
    content = b"".join(p.name.encode() + p.read_bytes() for p in files)
    return hashlib.sha256(content).hexdigest()


def left_over() -> list[int]:
    """Return processes of the users that submissions run as."""
    users = range(FIRST_USER, FIRST_USER + 100)
    return [
        one.pid
        for one in psutil.process_iter(["uids"])
        if one.info["uids"] and one.info["uids"].real in users
    ]


def main(names: Sequence[str]) -> int:
    """Grade submissions, all of them if none is named."""
    chosen = [one for one in EVERY if not names or one.what in names]
    with tempfile.TemporaryDirectory() as name:
        rows = grade(chosen, Path(name))
    wrong = {
        one.what: found
        for one, row in zip(chosen, rows, strict=True)
        if (found := faults(one, row))
    }
    for what, found in wrong.items():
        print(f"WRONG {what}: {'; '.join(found)}")
    print(f"{len(chosen) - len(wrong)} of {len(chosen)} as they should")
    if not names and not wrong:
        write_record(rows)
    return bool(wrong)


def write_record(rows: Sequence[dict[str, str]]) -> None:
    """Write the table that the book shows."""
    columns = ["kind", "submission", "points", "hidden", "reason"]
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for one, row in zip(EVERY, rows, strict=True):
            sums = [f"{row['points']}/5", f"{row['hidden'] or 0}/2"]
            reason = row["reason"].removeprefix("'")[:60]
            writer.writerow([one.kind, one.what, *sums, reason])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
