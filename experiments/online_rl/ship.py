"""The adapter `rl` of the package: copied, and with a card."""

from __future__ import annotations

import shutil

from experiments.adapter_card import adapter_card
from experiments.arms.stages import SPLITS
from experiments.online_rl.stages import WORK, chosen_run
from unitconv.common.io import write_text
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS, ADAPTERS

NAME, LOSS = "rl", "dr_grpo"


def ship_adapter() -> None:
    """Copy the run of seed 0 into the package, with a card."""
    run, shipped = chosen_run(LOSS), ADAPTERS / NAME
    shipped.mkdir(parents=True, exist_ok=True)
    for file in ("adapter_config.json", ADAPTER_WEIGHTS, "run.json"):
        shutil.copyfile(WORK / run / file, shipped / file)
    reports = {s: WORK / f"{run}-{s}.json" for s in SPLITS}
    card = adapter_card(NAME, shipped / "run.json", reports)
    write_text(card, shipped / "README.md")
