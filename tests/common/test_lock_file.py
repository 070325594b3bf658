"""Locks: two processes, `kill -9`, and a file system without locks."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unitconv.common.files import lock_file
from unitconv.common.files.lock_file import LockError, locked

HOLD = """
import sys
from pathlib import Path
from unitconv.common.files.lock_file import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(output: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_the_other_process_is_named(tmp_path: Path) -> None:
    output = tmp_path / "new" / "rft.jsonl"
    with held_by_another(output) as process:
        with pytest.raises(LockError) as caught, locked(output):
            pass
        named = rf"{process.pid} on {re.escape(socket.gethostname())} since"
        assert re.search(rf"{named} \d{{4}}-\d\d-\d\dT", str(caught.value))
        assert str(output) in str(caught.value)
        assert f"delete {output.parent}/.rft.jsonl.lock" in str(
            caught.value
        )
        with locked(tmp_path / "other"):
            pass
    with locked(output):
        pass
    assert list(output.parent.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    output = tmp_path / "sft"
    with held_by_another(output) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = tmp_path / ".sft.lock"
    assert left.read_text().startswith(f"{process.pid} on ")
    with locked(output):
        assert left.read_text().startswith(f"{os.getpid()} on ")
        with pytest.raises(LockError), locked(output):
            pass
    assert not left.exists()


def test_a_lock_file_removed_by_its_holder_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We open the file; its holder removes it; we must not keep it."""
    output, opened = tmp_path / "sft", []
    lock = lock_file._lock

    def lock_late(file: object) -> None:
        if not opened:
            (tmp_path / ".sft.lock").unlink()
        opened.append(file)
        lock(file)  # type: ignore[arg-type]

    monkeypatch.setattr(lock_file, "_lock", lock_late)
    with locked(output):
        assert len(opened) == 2
        with pytest.raises(LockError), locked(output):
            pass


def test_a_folder_of_two_names_has_one_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "sft"
    output.mkdir()
    (tmp_path / "latest").symlink_to(output)
    monkeypatch.chdir(output)
    for other in (Path(), tmp_path / "latest"):
        with locked(output), pytest.raises(LockError), locked(other):
            pass
        with locked(other), pytest.raises(LockError), locked(output):
            pass


def test_without_locks_there_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_lock(_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock_file, "_lock", no_lock)
    with (
        pytest.warns(UserWarning, match=f"no locks in {tmp_path} .*No loc"),
        locked(tmp_path / "sft"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
