"""Model cards of the shipped adapters, from the records of their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# Entries of a run's record that are not settings.
NOT_SETTINGS = ("n_rows", "rows", "machine", "threads", "when", "versions")


@dataclass(frozen=True)
class Card:
    """What a card says beside settings and results."""

    title: str
    base: str  # its exact name
    model: str  # and in words
    data: str
    commands: str
    prompt: str = "the question alone as prompt"


_COURSE = "the course model, which its package ships"
_SMOLLM2 = "SmolLM2-135M-Instruct, rounded to 4 bits a number"
_ANSWERS = "questions with their answers, without reasoning"
CARDS = {
    "sft": Card(
        "SFT", "course", _COURSE, _ANSWERS, "unitconv sft --output my_sft"
    ),
    "rft": Card(
        "RFT",
        "course",
        _COURSE,
        "questions with reasoning that the base model, and then the model "
        "of the first round, sampled themselves, where it was right and "
        "passed the audit",
        "unitconv rollouts --output rft.json\n"
        "unitconv rft --data rft.json --rounds 2 --output my_rft",
    ),
    "rl": Card(
        "Online RL",
        "course",
        _COURSE,
        "questions with their answers; in each step the model sampled "
        "replies, and those that were right and passed the audit became "
        "likelier",
        "unitconv rl --steps 40 --output my_rl",
        "one worked example in the prompt",
    ),
    "smollm2-sft": Card(
        "SFT of SmolLM2 on reasoning",
        "smollm2-q4_1",
        _SMOLLM2,
        "questions with reasoning that code wrote from exact factors",
        "unitconv sft --reasoning --model smollm2-q4_1 --output my_sft",
    ),
}
TEMPLATE = Path(__file__).with_suffix(".md").read_text()


def adapter_card(name: str, run: Path, reports: Mapping[str, Path]) -> str:
    """Write the card of adapter `name` from `run.json` and its reports."""
    record, card = json.loads(run.read_text()), CARDS[name]
    rows = f"{record['n_rows']}\nrows, " if "n_rows" in record else ""
    return TEMPLATE.format(
        **asdict(card),
        trained_on=rows + card.data,
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
