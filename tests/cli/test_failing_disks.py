"""Outputs that cannot be written: one line names the file, exit code 1."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.move_repository import ROOT
from unitconv.task.dataset import load_split

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="POSIX limits and modes"),
]

#: Runs a command under a fault, which happens in its process alone.
FAULTS = {
    "file size limit": """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
""",
    "clock set back": """
import time
now, monotonic = time.time, time.perf_counter
time.time = lambda: now() - 1e9 - 9 * monotonic()
""",
    "vanished folder": """
import shutil
from unitconv.inference.llm import LLM
complete = LLM.complete
def vanish(*arguments, **options):
    shutil.rmtree("out", ignore_errors=True)
    return complete(*arguments, **options)
LLM.complete = vanish
""",
}
RUN = """
import sys
from unitconv.__main__ import main
main()
"""
COMMANDS = {
    "rollouts": ["--samples=4", "--output=out/rft.json"],
    "evaluate": ["--json=out/report.json"],
}


@pytest.fixture
def arguments(model_folder: Path, tmp_path: Path) -> list[str]:
    data = tmp_path / "data.json"
    questions = load_split("train")[:70]
    data.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    (tmp_path / "out").mkdir()
    tmp_path.chmod(0o755)
    return [f"--model={model_folder}", f"--data={data}", "--prompt=raw"]


def drop_privilege() -> None:
    """Make root obey the mode of a folder, from the next program on."""
    drop_capability, override_modes = 24, 1
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(drop_capability, override_modes, 0, 0, 0)


def run(
    fault: str, command: list[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", FAULTS.get(fault, "") + RUN, *command],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=folder,
        preexec_fn=drop_privilege,
    )


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("fault", ["file size limit", "vanished folder"])
def test_a_fault_of_the_disk_is_one_line(
    fault: str, name: str, arguments: list[str], tmp_path: Path
) -> None:
    command = [name, *arguments, *COMMANDS[name]]
    failed = run(fault, command, tmp_path)
    assert failed.returncode == 1, failed.stderr
    line = failed.stderr.splitlines()[-1]
    assert line.startswith("unitconv: ")
    assert "out/" in line
    assert "Traceback" not in failed.stderr
    (tmp_path / "out").mkdir(exist_ok=True)
    output = COMMANDS[name][-1].partition("=")[2]
    assert not (tmp_path / output).exists()
    # What is there is good enough to go on with.
    again = run("", command, tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / output).exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_read_only_folder_is_named(
    name: str, arguments: list[str], tmp_path: Path
) -> None:
    command = [name, *arguments, *COMMANDS[name]]
    (tmp_path / "out").chmod(0o555)
    failed = run("", command, tmp_path)
    assert failed.returncode == 1, failed.stderr
    line = failed.stderr.splitlines()[-1]
    assert line.startswith("unitconv: Permission denied (")
    assert "out/" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_a_clock_set_back_changes_nothing(
    arguments: list[str], tmp_path: Path
) -> None:
    outputs = []
    for fault in ("", "clock set back"):
        folder = tmp_path / (fault or "none")
        (folder / "out").mkdir(parents=True)
        command = ["rollouts", *arguments, *COMMANDS["rollouts"]]
        done = run(fault, command, folder)
        assert done.returncode == 0, done.stderr
        outputs.append((folder / "out" / "rft.jsonl").read_bytes())
    assert outputs[0] == outputs[1]
