"""Model cards of the shipped adapters, from the records of their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

# Entries of a run's record that are not settings.
NOT_SETTINGS = ("n_rows", "rows", "machine", "threads", "when", "versions")
DATA = {
    "sft": "questions with their answers, without reasoning",
    "rft": "questions with reasoning that the base model, and then the "
    "model of the first round, sampled themselves, where it was right and "
    "passed the audit",
}
COMMANDS = {
    "sft": "unitconv sft --output my_sft",
    "rft": "unitconv rollouts --output rft.json\n"
    "unitconv rft --data rft.json --rounds 2 --output my_rft",
}
TEMPLATE = """---
license: mit
library_name: peft
base_model: course
---

# {title}: an adapter for the course model

A LoRA adapter of the course *unitconv*, for the model that its package
ships. It was trained on the train split: {rows} rows, {data}.

Made again by:

```bash
{commands}
```

Settings: {trained}.

## Results

Greedy, the question alone as prompt; 95 % Wilson intervals in brackets.
*valid*: of the replies that state a fact or a product, those that state
nothing false.

| questions | n | accuracy | answered | valid |
|---|---|---|---|---|
{results}

## Limits

Those of its base: it knows the units of the course and little else. Use it
to learn how training works, not to convert units.

## Licence

MIT.
"""


def adapter_card(name: str, run: Path, reports: Mapping[str, Path]) -> str:
    """Write the card of an adapter.

    Args:
        name: `sft` or `rft`.
        run: the `run.json` of its training.
        reports: evaluation reports by split.
    """
    record = json.loads(run.read_text())
    return TEMPLATE.format(
        title=name.upper(),
        data=DATA[name],
        rows=record["n_rows"],
        commands=COMMANDS[name],
        trained=", ".join(
            f"{key.replace('_', ' ')} {value}"
            for key, value in record.items()
            if key not in NOT_SETTINGS
        ),
        results="\n".join(
            _result_line(split, path) for split, path in reports.items()
        ),
    )


def _result_line(split: str, path: Path) -> str:
    report = json.loads(path.read_text())
    cells = [split, str(report["n"])]
    for key in ("accuracy", "answer_rate", "reasoning_validity"):
        low, high = report[f"{key}_ci95"]
        value = report[key]
        cells.append(
            "" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"
        )
    return f"| {' | '.join(cells)} |"
