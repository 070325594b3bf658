"""Sphinx extension: the tables of "What this survives", from its record."""

from collections.abc import Callable
from typing import Any

from record_directive import EXPERIMENTS, RecordDirective, table
from sphinx.application import Sphinx

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_object

RECORD = EXPERIMENTS / "robustness" / "record.json"
Record = dict[str, Any]


def fuzz(record: Record) -> str:
    targets = record["fuzz"]["targets"].items()
    rows = [
        [
            name,
            f"{found['inputs']:,}",
            str(len(found["faults"])),
        ]
        for name, found in targets
    ]
    total = f"{record['fuzz']['inputs']:,}"
    faults = sum(len(found["faults"]) for _, found in targets)
    rows.append(["all", total, str(faults)])
    return table(["target", "inputs", "faults"], rows)


def long_texts(record: Record) -> str:
    rows = [
        [
            name,
            f"{max(times.values()):.1f} ms",
            f"`{max(times, key=lambda piece: times[piece])}`",
        ]
        for name, times in record["long_texts"]["milliseconds"].items()
    ]
    return table(["reads 100 kB", "slowest", "of"], rows)


def kills(record: Record) -> str:
    rows = [
        [
            f"`{name}`",
            str(found["runs"]),
            str(found["stops"]),
            str(len(found["wrong"])),
        ]
        for name, found in record["kills"]["commands"].items()
    ]
    return table(["command", "runs", "stopped", "other outcome"], rows)


def memory(record: Record) -> str:
    rows = [
        [f"`{name}`", f"{megabytes} MB"]
        for name, megabytes in record["memory"]["megabytes"].items()
    ]
    return table(["command", "peak"], rows)


def growth(record: Record) -> str:
    measured = record["growth"]["megabytes"]
    sizes = list(next(iter(measured.values())))
    rows = [
        [f"`{name}`", *(f"{peaks[size]} MB" for size in sizes)]
        for name, peaks in measured.items()
    ]
    heads = [f"{int(size):,} questions" for size in sizes]
    return table(["command", *heads], rows)


def schedules(record: Record) -> str:
    found = record["schedules"]
    rows = [["none", str(found["schedules"]), str(found["differ"])]]
    rows += [
        [fault, str(planted["schedules"]), str(planted["differ"])]
        for fault, planted in found["planted"].items()
    ]
    return table(["planted fault", "schedules", "differ"], rows)


WRITERS: dict[str, Callable[[Record], str]] = {
    f"robustness-{write.__name__.replace('_', '-')}": write
    for write in (fuzz, long_texts, kills, memory, growth, schedules)
}


class RobustnessDirective(RecordDirective):
    """A table of the record."""

    records = (RECORD,)

    def markdown(self) -> str:
        record = read_object(RECORD, UnitconvError)
        if (
            self.name.removeprefix("robustness-").replace("-", "_")
            not in record
        ):
            return "Not recorded yet."
        return WRITERS[self.name](record)


def setup(app: Sphinx) -> dict[str, Any]:
    for name in WRITERS:
        app.add_directive(name, RobustnessDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
