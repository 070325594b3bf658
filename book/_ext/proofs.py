"""Sphinx extension: tables of trials, from the records beside their code.

```{proof} mutants
```
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign import table
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RECORDS = Path(__file__).parents[2] / "experiments" / "robustness"


def guided(record: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{found['executions']:,}",
            f"{found['edges'][0]} to {found['edges'][1]}",
            str(found["faults"]),
        ]
        for name, found in record["targets"].items()
    ]
    return table(["target", "inputs", "branches reached", "faults"], rows)


def mutants(record: dict[str, Any]) -> str:
    rows = [
        [
            f"`{name}`",
            str(found["mutants"]),
            str(found["killed"]),
            str(found["mutants"] - found["killed"]),
        ]
        for name, found in record["modules"].items()
    ]
    return table(["module", "mutants", "killed", "survived"], rows)


def versions(record: dict[str, Any]) -> str:
    names = ["python", "torch", "transformers", "peft", "accelerate"]
    rows = [
        [name, *(found[key] for key in names), str(found["passed"])]
        for name, found in record["runs"].items()
    ]
    return table(["", *names, "passed"], rows)


def rehearsal(record: dict[str, Any]) -> str:
    sampled, evaluated = record["rollouts"], record["evaluate"]
    n = f"{record['questions']} questions"
    said = {True: "same", False: "different"}
    rows = [
        [
            "`rollouts.sbatch`",
            f"{sampled['tasks']} tasks, {n}",
            said[sampled["same"]],
        ],
        [
            "`evaluate.sbatch`",
            f"{evaluated['processes']} processes, {n}",
            said[evaluated["same"]],
        ],
        [
            "`sft.sbatch`",
            f"{record['sft']['nodes']} launchers of one process",
            "an adapter" if record["sft"]["adapter"] else "none",
        ],
    ]
    return table(["script", "run as", "outcome"], rows)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    write.__name__: write
    for write in (guided, mutants, versions, rehearsal)
}


class ProofDirective(SphinxDirective):
    """`{proof} NAME`: the table of `NAME.json`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        path = RECORDS / f"{name}.json"
        self.env.note_dependency(str(path))
        text = TABLES[name](json.loads(path.read_text("utf-8")))
        node = nodes.container(classes=["results"])
        lines = StringList(text.splitlines(), source=self.name)
        self.state.nested_parse(lines, self.content_offset, node)
        return [node]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("proof", ProofDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
