"""The Slurm scripts: their syntax, and a run with Slurm's part faked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from experiments.robustness.rehearsal import SLURM, rehearse

SCRIPTS = sorted(SLURM.glob("*.sbatch"))
#: What sbatch takes from a header, of all that it knows.
ASKED = {"job-name", "time", "output", "mem", "cpus-per-task"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_shell_with_a_header(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    first, *lines = script.read_text().splitlines()
    assert first == "#!/bin/bash"
    # sbatch reads no option after the first command.
    header = [line for line in lines if line.startswith("#SBATCH")]
    assert header == lines[: len(header)]
    names = {line.split("--")[1].split("=")[0] for line in header}
    assert names >= ASKED
    assert any("gpus-per" in name for name in names)


@pytest.mark.slow
@pytest.mark.long
def test_scripts_write_what_one_command_writes(
    tmp_path: Path, model_folder: Path
) -> None:
    model, options = str(model_folder), "--prompt raw"
    found = rehearse(tmp_path, 70, 2, model=model, options=options)
    assert found["rollouts"]["same"]
    assert found["evaluate"]["same"]
    assert found["sft"]["adapter"]
