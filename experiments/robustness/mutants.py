"""Count the mutants that no test noticed, from the files of mutmut.

    make mutants
    python -m experiments.robustness.mutants _build/mutants/mutants

It writes `mutants.json`, which a page of the book shows, and prints the
survivors, which `mutants.md` explains by hand.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import typer
from pydantic import BaseModel

from unitconv.common.io import write_json

RECORD = Path(__file__).with_name("mutants.json")
#: Exit codes of mutmut's tests: they passed, or none calls the function.
UNNOTICED = {0, 5, 33}
#: Those of tests that failed, and of tests that did not end in time.
NOTICED = {1, 3, 36, 24, -24, 152, 255}


class Meta(BaseModel):
    """What mutmut keeps of a module."""

    exit_code_by_key: dict[str, int | None]


def main(folder: Path) -> None:
    """Record a run of mutmut that has tried every mutant."""
    modules = {}
    for path in sorted(folder.rglob("*.py.meta")):
        codes = Meta.model_validate_json(path.read_text()).exit_code_by_key
        if unclear := {*codes.values()} - UNNOTICED - NOTICED:
            raise SystemExit(
                f"{path}: tests of some mutants were not run (None), or "
                f"ended with an unknown exit code: {unclear}"
            )
        survivors = [n for n, code in codes.items() if code in UNNOTICED]
        print(*survivors, sep="\n")
        if codes:
            name = path.relative_to(folder).with_suffix("").with_suffix("")
            modules[".".join(name.parts)] = {
                "mutants": len(codes),
                "killed": len(codes) - len(survivors),
            }
    if not modules:
        raise SystemExit(f"{folder}: no files of mutmut")
    tool = f"mutmut {version('mutmut')}"
    write_json({"modules": modules, "tool": tool}, RECORD)


if __name__ == "__main__":
    typer.run(main)
