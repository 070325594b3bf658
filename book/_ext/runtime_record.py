"""Sphinx extension: what was compared and measured of the page's runtime.

    ```{runtime-compared}
    ```

is a table of the comparisons in `experiments/live/record.json`, and
`{runtime-speed}` one of the speeds.
"""

from __future__ import annotations

from typing import Any

from record_directive import EXPERIMENTS, RecordDirective, table
from sphinx.application import Sphinx

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_object

RECORD = EXPERIMENTS / "live" / "record.json"
Record = dict[str, Any]

# Of the record, in words: part, key, and what was compared.
COMPARED = [
    ("tokens", "strings", "strings, as a question of every prompt style"),
    ("grades", "replies", "recorded and changed replies, graded"),
    ("replies", "greedy", "greedy replies of base, SFT, RFT and RL"),
    ("replies", "sampled", "sampled replies of the same models"),
    ("replies", "without SIMD", "greedy replies in plain JavaScript"),
]


def compared(record: Record) -> str:
    rows = [
        [what, f"{found['texts']:,}", str(found["differ"])]
        for part, key, what in COMPARED
        if (found := record.get(part, {}).get(key))
    ]
    return table(["compared", "texts", "different"], rows)


def speed(record: Record) -> str:
    found = record["speed"]
    kinds = {"WebAssembly with SIMD": "simd", "plain JavaScript": "plain"}
    rows = [
        [
            name,
            str(found[kind]["tokens_per_cpu_s"]),
            str(found[kind]["cpu_ms"]),
            str(found[kind]["best_ms"]),
        ]
        for name, kind in kinds.items()
    ]
    heads = ["tokens a second", "ms of the CPU", "ms on the wall"]
    return table(["a reply with", *heads], rows)


def notes(record: Record) -> str:
    found = record["speed"]
    return (
        f"The reply to one question of RFT reads {found['simd']['tokens']} "
        "tokens, those of its prompt included. Loading the model takes "
        f"{found['load']['cpu_s']} s of the CPU, at best "
        f"{found['load']['best_s']} s on the wall. Before the first click, "
        f"the widget adds {found['first_load_bytes'] / 1000:.0f} kB to a "
        "page. Measured in Chromium on one core, in "
        f"{found['turns']} turns; on the wall, the shortest counts. The "
        f"machine had {found['cores']} cores and a load average of "
        f"{found['load_average']}: tokens a second are those of the CPU's "
        "time."
    )


class RuntimeDirective(RecordDirective):
    """A table of the record."""

    records = (RECORD,)

    def markdown(self) -> str:
        record = read_object(RECORD, UnitconvError)
        if self.name == "runtime-compared":
            return compared(record)
        if "speed" not in record:
            return "Not measured yet."
        return f"{speed(record)}\n\n{notes(record)}"


def setup(app: Sphinx) -> dict[str, Any]:
    for name in ("runtime-compared", "runtime-speed"):
        app.add_directive(name, RuntimeDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
