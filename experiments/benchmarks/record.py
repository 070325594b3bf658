"""A measured run as a file: numbers, machine, versions, date."""

from __future__ import annotations

import platform
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from unitconv.common.io import write_json
from unitconv.common.run_metadata import PACKAGES, run_metadata, versions

RESULTS = Path(__file__).parent / "results"
PEERS = ("ctranslate2", "xllamacpp", "trl", "peft")
HEAD = (
    "| workload | against | dtype | slots, theirs | ours "
    "| tokens/s, theirs | ours "
    "| ratio, wall | ratio, CPU | same replies | goal |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def line(row: dict[str, Any]) -> str:
    """One row of the table: medians, and the extremes of the ratios."""
    speeds = [
        f"{row['tokens'] / sorted(seconds)[len(seconds) // 2]:.0f}"
        for seconds in (row["wall"]["peer"], row["wall"]["ours"])
    ]
    ratios = [
        "{median:.2f} ({low:.2f}-{high:.2f})".format(
            **row[f"{clock}_ratio"]
        )
        for clock in ("wall", "cpu")
    ]
    same, goal = row["same_replies"], row["goal"]
    # A training has none.
    slots = row.get("slots", {"peer": "", "ours": ""})
    cells = (
        row["job"],
        row["peer"],
        row["dtype"],
        *(str(slots[side]) for side in ("peer", "ours")),
        *speeds,
        *ratios,
        "" if same is None else f"{same:.0%}",
        "" if goal is None else f"{goal:g}",
    )
    return "| " + " | ".join(cells) + " |"


def save(
    name: str, rows: list[dict[str, Any]], threads: int, **how: Any
) -> Path:
    """Write a run with all that a reader needs to doubt it."""
    RESULTS.mkdir(exist_ok=True)
    ran = run_metadata()
    when = datetime.fromisoformat(ran["when"])
    path = RESULTS / f"{name}-{when:%Y%m%d-%H%M%S}.json"
    data = {
        **ran,
        "machine": f"{ran['machine']}, {processor()}",
        "threads": threads,  # of the peers, each a process of its own
        **how,
        "versions": versions((*PACKAGES, *PEERS)),
        "rows": rows,
    }
    write_json(data, path)
    return path


def processor() -> str:
    """Its name, where the system tells it, and how it computes in bf16."""
    can = torch.cpu.get_capabilities()
    fast = [k for k in ("amx_bf16", "avx512_bf16") if can.get(k)]
    return ", ".join([_processor_name(), *fast])


def _processor_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        text = ""
    for entry in text.splitlines():
        if entry.startswith("model name"):
            return entry.split(":")[1].strip()
    return platform.processor()
