"""A sample of the hostile class, and the record of all of it."""

import csv
from pathlib import Path

import pytest

from experiments.hostile.__main__ import EVERY, RECORD, faults, grade

pytestmark = pytest.mark.long

# Quick ones, of each kind. The record is of all.
SAMPLE = {
    "an empty copy of the exercises at the end",
    "checks deleted, answers alone",
    "await, a file of its own, a pool of processes",
    "that table, and a guess for the hidden check in each of 90 cells",
    "sends no JSON",
    "patches sha256",
    "reads the solution from the package",
    "reads the solution from the repository",
    "sends verdicts for answers",
    "os._exit",
    "an array of 20 GB",
    "100 MB of output",
    "an endless answer",
    "an error that reads like a formula",
    "half of a surrogate pair",
    "50,000 dots",
    "a login page",
    "100,000 brackets",
    "another chapter",
}


def test_every_submission_is_in_the_record() -> None:
    with RECORD.open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(row["kind"], row["submission"]) for row in rows] == [
        (one.kind, one.what) for one in EVERY
    ]
    assert len({one.what for one in EVERY}) == len(EVERY) >= 40
    for row, one in zip(rows, EVERY, strict=True):
        assert row["points"] == f"{one.points}/5"
        assert row["hidden"] == f"{one.hidden}/2"
        assert one.kind != "cheat" or one.points == one.hidden == 0


@pytest.mark.slow
def test_sample_earns_what_it_should(tmp_path: Path) -> None:
    chosen = [one for one in EVERY if one.what in SAMPLE]
    assert len(chosen) == len(SAMPLE)
    rows = grade(chosen, tmp_path)
    wrong = {
        one.what: faults(one, row)
        for one, row in zip(chosen, rows, strict=True)
    }
    assert {what: found for what, found in wrong.items() if found} == {}
