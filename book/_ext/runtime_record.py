"""Sphinx extension: what was compared and measured of the page's runtime.

    ```{runtime-compared}
    ```

is a table of the comparisons in `experiments/live/record.json`, and
`{runtime-speed}` one of the speeds.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from robustness_table import table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from scripts.move_repository import ROOT
from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_object

RECORD = ROOT / "experiments" / "live" / "record.json"
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
        [name, str(found[key]["tokens_per_s"]), f"{found[key]['reply_ms']}"]
        for name, key in kinds.items()
    ]
    return table(["", "tokens a second", "ms a reply"], rows)


def notes(record: Record) -> str:
    found = record["speed"]
    return (
        f"A reply reads {found['simd']['tokens']} tokens, those of the "
        f"prompt included. The model is loaded in {found['load_s']} s. "
        "Before the first click the widget adds "
        f"{found['first_load_bytes'] / 1000:.0f} kB to a page. These are "
        f"the best of {found['turns']} turns on one core in Chromium; the "
        f"machine's load average was {found['load_average']:.1f} on "
        f"{found['cores']} cores."
    )


class RuntimeDirective(SphinxDirective):
    """A table of the record."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RECORD))
        record = read_object(RECORD, UnitconvError)
        if self.name == "runtime-compared":
            text = compared(record)
        elif "speed" in record:
            text = f"{speed(record)}\n\n{notes(record)}"
        else:
            text = "Not measured yet."
        node = nodes.container(classes=["results"])
        lines = StringList(text.splitlines(), source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


def setup(app: Sphinx) -> dict[str, Any]:
    for name in ("runtime-compared", "runtime-speed"):
        app.add_directive(name, RuntimeDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
