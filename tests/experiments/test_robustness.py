"""The robustness runs find the faults that are planted for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from experiments.robustness.fuzz import Target, fuzz, targets
from experiments.robustness.schedules import FAULTS, count_differences
from unitconv.common.errors import UnitconvError

pytestmark = pytest.mark.long


def fail_on_z(text: str) -> None:
    if "z" in text:
        raise KeyError(text)


def refuse(text: str) -> None:
    raise UnitconvError(text)


def test_an_undocumented_exception_is_counted() -> None:
    texts = st.lists(st.text("yz", max_size=3))
    found = fuzz(Target(texts, fail_on_z), 0, 0.01)
    assert found["faults"][0].startswith("seed 0: KeyError: ")
    assert found["next_seed"] >= 1
    assert fuzz(Target(texts, refuse), 0, 0.01)["faults"]
    allowed = fuzz(Target(texts, refuse, may_refuse=True), 0, 0.01)
    assert allowed["faults"] == []
    assert allowed["inputs"] > 1


@pytest.mark.slow
def test_every_target_takes_its_inputs(tmp_path: Path) -> None:
    for name, target in targets(tmp_path).items():
        found = fuzz(target, 0, 0.01)
        assert found["faults"] == [], name
        assert found["inputs"] > 1, name


def test_schedules_agree() -> None:
    assert not any(count_differences(range(5)))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault: str) -> None:
    assert any(count_differences(range(30), fault))
