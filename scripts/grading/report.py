"""Write what submissions earn: for a gradebook, students and Gradescope."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scripts.grading.messages import one_line
from scripts.grading.session import Mark, Result
from scripts.grading.submission import file_name
from unitconv.common.io import write_json, write_text


def totals(marks: Sequence[Mark]) -> dict[str, int]:
    """Return the sums of a submission's marks."""
    sums = {
        "solved": sum(mark.solved for mark in marks),
        "exercises": len(marks),
        "points": sum(mark.points for mark in marks),
        "out_of": sum(mark.out_of for mark in marks),
    }
    if hidden := sum(len(mark.hidden) for mark in marks):
        held = sum(mark.held for mark in marks)
        sums |= {"hidden": held, "hidden_out_of": hidden}
    return sums


def lines(result: Result) -> list[str]:
    """Return what a student is told: totals, reason, exercises, errors."""
    sums = totals(result.marks)
    said = ["visible {solved}/{exercises}", "points {points}/{out_of}"]
    if "hidden" in sums:
        said.append("hidden {hidden}/{hidden_out_of}")
    told = [", ".join(said).format(**sums)]
    if result.reason:
        told.append(f"stopped: {result.reason}")
    for mark in result.marks:
        earned = f"{mark.points}/{mark.out_of}"
        told.append(f"{mark.check}, {earned}: {mark.text}")
        told += [f"hidden {v['check']}: {v['text']}" for v in mark.hidden]
    return [one_line(line) for line in told + result.errors]


def write_table(path: Path, results: Sequence[Result]) -> None:
    """Write a CSV with a row a submission.

    A column's title ends with the most that an exercise can earn.
    """
    rows = []
    for result in results:
        points = {f"{m.check} /{m.out_of}": m.points for m in result.marks}
        texts = [
            f"{m.check}: {m.text}" for m in result.marks if not m.solved
        ]
        row = {"student": _plain(result.student), **points}
        row |= totals(result.marks) | {"reason": _plain(result.reason)}
        rows.append(row | {"feedback": "\n".join(texts)})
    table = pd.DataFrame(rows).convert_dtypes()  # whole numbers, or none
    write_text(table.to_csv(index=False), path)


def _plain(text: str) -> str:
    """Keep a spreadsheet from reading a text as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def write_feedback(folder: Path, result: Result) -> None:
    """Write what a student is told into a file with the student's name."""
    folder.mkdir(exist_ok=True)
    text = "\n".join([result.student, "", *lines(result), ""])
    write_text(text, folder / f"{file_name(result.student)}.txt")


def write_gradescope(path: Path, results: Sequence[Result]) -> None:
    """Write results.json of the first result, and say if there are more.

    Hidden checks are shown once marks are out.
    """
    result, *others = results
    tests: list[dict[str, str | int]] = []
    for mark in result.marks:
        tests.append(
            _test(mark.check, (mark.points, mark.out_of), mark.text)
        )
        tests += [
            _test(f"hidden {v['check']}", (int(v["solved"]), 1), v["text"])
            | {"visibility": "after_published"}
            for v in mark.hidden
        ]
    said = [result.reason, *result.errors]
    if others:
        name = one_line(Path(result.file).name)
        said.append(f"more than one notebook: {name} is graded")
    output = "\n".join(said).strip()
    sums = totals(result.marks)
    score = sums["points"] + sums.get("hidden", 0)
    write_json({"score": score, "output": output, "tests": tests}, path)


def _test(
    name: str, points: tuple[int, int], text: str
) -> dict[str, str | int]:
    score, out_of = points
    return {
        "name": name,
        "score": score,
        "max_score": out_of,
        "output": text,
    }
