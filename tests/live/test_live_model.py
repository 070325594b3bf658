"""The scripts that hand the course model to a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import live_model
import pytest
from sphinx.errors import ExtensionError

from unitconv.inference.load.adapter import shipped_adapters


def test_scripts_are_written_once(tmp_path: Path) -> None:
    live_model.write_scripts(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    names = {path.stem for path in written}
    assert names == {"course", "base", *shipped_adapters("course")}
    changed = tmp_path / "sft.js"
    content = changed.read_text()
    changed.write_text("// made from something else\n")
    live_model.write_scripts(tmp_path)
    assert changed.read_text() == content
    del written[changed]
    for path, time in written.items():
        assert path.stat().st_mtime_ns == time


@pytest.mark.parametrize(
    "change", [{"hidden_act": "gelu"}, {"attention_bias": True}]
)
def test_other_models_are_refused(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    read = live_model.read_json
    monkeypatch.setattr(live_model, "read_json", lambda p: read(p) | change)
    with pytest.raises(ExtensionError, match="runtime knows"):
        live_model.course_data()
