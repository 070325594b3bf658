"""Lock file: only one process at a time writes an output.

The operating system drops the lock when its holder ends, even by `kill -9`:
a file that is left behind locks nothing. A network folder needs a server
that knows locks. Where a file system has none, a warning says so; where a
machine keeps them to itself, a second machine is not stopped.

The package `filelock` leaves its file behind, and cannot say who holds it.
"""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from unitconv.common.errors import UnitconvError
from unitconv.common.io import naming

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(2**30)  # others could not read a byte that is locked
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class LockError(UnitconvError):
    """An output that another process writes at this moment."""


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keep other processes from an output, a file or a folder.

    Raises:
        LockError: another process is writing it; says which one.
    """
    target = output.resolve()  # "." has no name, and a link has two
    path = target.with_name(f".{target.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with _open_locked(path, output) as file:
        try:
            with naming(path):
                file.truncate(0)
                file.write(f"{os.getpid()} on {socket.gethostname()}")
                file.write(f" since {now}")
                file.flush()
            yield
        finally:
            with suppress(OSError):  # Windows keeps a file that is open
                path.unlink()


def _open_locked(path: Path, output: Path) -> IO[str]:
    """Open the lock file as its only holder."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            with file:
                file.seek(0)
                holder = file.read() or "?"
            raise LockError(
                f"{output} is being written by the process {holder}: wait "
                "until it ends, or stop it. If it cannot have survived, on "
                f"another machine, delete {path}"
            ) from error
        except OSError as error:
            warnings.warn(
                f"no locks in {path.parent} ({error.strerror}): start no "
                f"second process that writes {output}",
                stacklevel=4,  # above the context manager
            )
        # Its last holder may have removed the file after we opened it.
        with suppress(FileNotFoundError):
            if os.path.samefile(file.fileno(), path):
                return file
        file.close()
