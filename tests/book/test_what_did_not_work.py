"""The page of failed experiments quotes the records."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "what-did-not-work.md").read_text()
RESULTS = ROOT / "unitconv" / "evaluation" / "results"


def read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def mean(split: str, stage: str) -> str:
    spread = read("stages")["spread"][split][stage]
    return f"{spread['accuracy']['mean']:.3f}".lstrip("0")


def smollm2(stage: str) -> str:
    rate = read("smollm2")["rates"]["test"][stage]["accuracy"]
    return f"{rate:.3f}".lstrip("0")


def online(split: str, name: str) -> str:
    rate = read("online_rl")["rates"][split][name]["accuracy"]
    return f"{rate:.3f}".lstrip("0")


QUOTED = {
    "Bare answers": [
        mean("test", "cot"),
        mean("test", "sft"),
        mean("test_hard", "cot"),
        mean("test_hard", "sft"),
    ],
    "Right answers without an audit": [
        mean("test", "rft-right"),
        mean("test_hard", "rft-right"),
        mean("test_hard", "cot"),
        mean("test_hard", "rft-1"),
    ],
    "Unselected replies": [mean("test", "random")],
    "Online RL instead of RFT": [
        online(split, name)
        for name in ("dr_grpo-1e-3-0", "rft-few-cot")
        for split in ("test", "test_hard")
    ],
    "Learning from oneself too early": [
        smollm2(stage)
        for stage in ("rft-base", "warm", "expert-1", "random")
    ],
}


@pytest.mark.parametrize("title", QUOTED)
def test_numbers_are_those_of_the_records(title: str) -> None:
    [paragraph] = [
        text for text in PAGE.split("\n\n") if text.startswith(f"**{title}")
    ]
    rates = re.findall(r"(?<![\d.])\.\d{3}", paragraph)
    assert rates == QUOTED[title]
