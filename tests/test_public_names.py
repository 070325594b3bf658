"""The names that can be imported from `unitconv`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import unitconv

CHECK = """
import sys
import unitconv
assert not {"torch", "transformers", "pint", "pydantic"} & set(sys.modules)
assert set(unitconv.__all__) <= set(dir(unitconv))
names = sorted(unitconv.__all__, reverse=REVERSE)
values = {name: getattr(unitconv, name) for name in names}
import unitconv.evaluation.evaluate, unitconv.evaluation.grade
for name, value in values.items():
    assert getattr(unitconv, name) is value, name
    assert name == "__version__" or value.__name__ == name, name
    assert type(value).__name__ != "module", name
"""


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_every_name_resolves_in_a_fresh_process(reverse: bool) -> None:
    code = CHECK.replace("REVERSE", str(reverse))
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_missing() -> None:
    assert not hasattr(unitconv, "train_dpo")
    assert callable(unitconv.evaluate)
