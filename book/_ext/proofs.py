"""Sphinx extension: tables of trials, from the records beside their code.

```{proof} mutants
```
"""

import json
from collections.abc import Callable
from typing import Any

from record_directive import EXPERIMENTS, RecordDirective, table
from sphinx.application import Sphinx

RECORDS = EXPERIMENTS / "robustness"


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
            f"`{name.split('.', 2)[2]}`",  # of unitconv; fits on a phone
            str(found["mutants"]),
            str(found["mutants"] - found["killed"]),
        ]
        for name, found in record["modules"].items()
    ]
    return table(["module", "mutants", "survived"], rows)


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


class ProofDirective(RecordDirective):
    """`{proof} NAME`: the table of `NAME.json`."""

    required_arguments = 1

    def markdown(self) -> str:
        name = self.arguments[0]
        path = RECORDS / f"{name}.json"
        self.env.note_dependency(str(path))
        return TABLES[name](json.loads(path.read_text("utf-8")))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("proof", ProofDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
