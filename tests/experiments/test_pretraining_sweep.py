"""The sweep's runs are all different, and a stale one is noticed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import typer

from experiments.pretraining_sweep import SEEDS, check, runs
from unitconv.pretraining.config import PRESETS


def test_every_run_has_a_setting_of_its_own() -> None:
    found = list(runs())
    configs = [json.dumps(asdict(config)) for _, config in found]
    assert len(set(configs)) == len(found) > len(SEEDS)
    assert len({name for name, _ in found}) == len(found)
    final = [config for name, config in found if name.startswith("final")]
    assert len(final) == len(SEEDS) >= 3
    assert PRESETS["course"] in final


def test_the_short_runs_differ_in_steps_alone_or_in_one_thing() -> None:
    by_name = dict(runs())
    proxy = by_name["proxy"]
    assert (
        replace(proxy, steps=PRESETS["course"].steps) == PRESETS["course"]
    )
    without = by_name["no-partial-products"]
    assert without.corpus.steps_share == 0
    assert replace(without, corpus=proxy.corpus) == proxy


def test_a_run_of_an_earlier_preset_is_refused(tmp_path: Path) -> None:
    final = PRESETS["course"]
    record = {"config": asdict(final)}
    (tmp_path / "training.json").write_text(json.dumps(record))
    check(final, tmp_path)
    with pytest.raises(typer.BadParameter, match="other settings"):
        check(replace(final, seed=9), tmp_path)
