r"""Record which versions the library's tests passed with.

    make test-oldest | tee oldest.log
    python -m experiments.robustness.versions oldest _build/test-oldest \
        oldest.log

It writes `versions.json`, which a page of the book shows.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import typer

from unitconv.common.io import write_json

RECORD = Path(__file__).with_name("versions.json")
PACKAGES = ["torch", "transformers", "peft", "accelerate", "safetensors"]
LIST = """
import json, platform
from importlib.metadata import version
found = {name: version(name) for name in NAMES}
print(json.dumps({"python": platform.python_version(), **found}))
"""


def counted(log: str) -> tuple[int, int]:
    """Return the tests that passed and failed, of all runs in a log."""
    passed, failed = (
        sum(map(int, re.findall(rf"(\d+) {outcome}", log)))
        for outcome in ("passed", "(?:failed|error)")
    )
    return passed, failed


def main(name: str, environment: Path, logs: list[Path]) -> None:
    """Record a run of the tests in an environment."""
    code = f"NAMES = {PACKAGES!r}\n{LIST}"
    python = environment / "bin" / "python"
    found: dict[str, Any] = json.loads(
        subprocess.check_output([python, "-c", code], text=True)
    )
    passed, failed = counted("".join(log.read_text() for log in logs))
    record: dict[str, Any] = {"runs": {}}
    if RECORD.exists():
        record = json.loads(RECORD.read_text("utf-8"))
    record["runs"][name] = found | {"passed": passed, "failed": failed}
    write_json(record, RECORD)
    if failed or not passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
