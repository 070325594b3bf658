"""Atomic writes: a full disk, a link and a pipe."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from unitconv.common.io import write_json, write_parts


def disk_is_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_failed_write_leaves_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    write_json({"n": 1}, path)
    old = path.read_text()

    def parts() -> Iterator[bytes]:
        yield b"x" * 10_000
        disk_is_full()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", disk_is_full)
        with pytest.raises(OSError, match=r"report\.json") as error:
            write_json({"n": 2, "long": "x" * 10_000}, path)
    with pytest.raises(OSError, match=r"report\.json") as half:
        write_parts(parts(), path)
    assert [error.value.errno, half.value.errno] == [errno.ENOSPC] * 2
    assert path.read_text() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "report.json", tmp_path / "latest.json"
    path.write_text("old")
    link.symlink_to(path)
    write_json({"n": 1}, link)
    assert link.is_symlink()
    assert json.loads(path.read_text()) == {"n": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_json({"n": 1}, path)
        assert path.is_fifo()
        assert json.loads(os.read(reader, 1000)) == {"n": 1}
    finally:
        os.close(reader)
