"""Start a submission where it can reach nothing but Python and itself.

On Linux, by namespaces: no network, no other process, and of the files only
Python's own, the library and a /tmp that is thrown away. Whatever runs in
them ends with them. Where the system refuses, as most containers do, root
starts each submission as a user of its own.
"""

import importlib.util
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import psutil

from scripts.grading.messages import Peer
from unitconv.inference.weights.cache import VARIABLE

FIRST_USER = 61_000  # and one more for each job
GRACE = 10  # seconds to stop in, once interrupted or killed
CACHE = ".cache"  # of weights, beside the library; no module's name
_SEEN = (sys.prefix, sys.base_prefix, "/usr", "/bin", "/lib", "/lib64")
ENVIRONMENT = {
    "PATH": f"{sys.prefix}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "USER": "student",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "agg",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TOKENIZERS_PARALLELISM": "false",
}

# The first process of its namespaces mounts what is to be seen, read only,
# and gives up every right to change that.
_ENTER = """
set -e
root=$1 user=$2; shift 2
mount -t tmpfs -o size=1m,mode=755 none "$root"
mkdir "$root/proc" "$root/tmp" "$root/dev"
mount -t proc none "$root/proc"
mount -t tmpfs -o size=512m,mode=1777 none "$root/tmp"
for name in null zero random urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /tmp "$root/dev/shm"
while [ "$1" != -- ]; do
    mkdir -p "$(dirname "$root$1")"
    if [ -L "$1" ]; then
        cp -P "$1" "$root$1"
    elif [ -d "$1" ]; then
        mkdir -p "$root$1"
        mount --bind "$1" "$root$1"
        mount -o remount,bind,ro "$root$1"
    fi
    shift
done
exec chroot "$root" setpriv $user --pdeathsig KILL \\
    --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


@dataclass(frozen=True)
class Limits:
    """What a submission may use."""

    seconds: int = 900  # for all of it
    cell_seconds: int = 300  # for a cell, and for an answer to a check
    memory: int = 8 * 2**30  # bytes of address space
    processes: int = 256
    file_size: int = 100 * 2**20

    def options(self, own_user: bool) -> list[str]:
        """Return them as `worker` reads them."""
        limits = {
            "RLIMIT_AS": self.memory,
            "RLIMIT_CPU": self.seconds,
            "RLIMIT_FSIZE": self.file_size,
            "RLIMIT_CORE": 0,
        }
        if own_user:  # the system counts all processes of a user
            limits["RLIMIT_NPROC"] = self.processes
        return [f"{name}={value}" for name, value in limits.items()]


@dataclass(frozen=True)
class Worker:
    """A running submission, and the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Connection

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def processes(self) -> list[psutil.Process]:
        """Return it and what it started, as far as the system knows."""
        with suppress(psutil.Error):
            first = psutil.Process(self.process.pid)
            return [*first.children(recursive=True), first]
        return []

    def kill(self) -> None:
        """Kill all of them, whatever group and session they are in.

        The first child is the first process of its namespaces, with which
        all others in them end.
        """
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        self.signal(signal.SIGKILL)


@dataclass(frozen=True)
class Sandbox:
    """A place for one submission at a time.

    Args:
        level: "namespaces", "user" or "none", see `best_level`.
        packages: the folder that `copy_library` wrote.
        slot: tells sandboxes that are used at the same time apart.
    """

    level: str
    packages: Path
    limits: Limits
    slot: int = 0

    @contextmanager
    def start(self) -> Iterator[Worker]:
        """Start a worker; at the end, kill all that came of it."""
        ours, theirs = Pipe()
        _never_block(ours)
        user = FIRST_USER + self.slot if self.level == "user" else None
        with tempfile.TemporaryDirectory() as folder, ours:
            home = "/tmp" if self.level == "namespaces" else folder
            places = {"HOME": home, "TMPDIR": home, "IPYTHONDIR": home}
            places["PYTHONPATH"] = str(self.packages)
            if (cache := self.packages / CACHE).exists():
                places[VARIABLE] = str(cache)
            if user:
                os.chown(folder, user, user)
            process = subprocess.Popen(
                self._command(folder, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT | places,
                cwd=folder,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
            theirs.close()
            worker = Worker(process, ours)
            try:
                yield worker
            finally:
                killed = worker.processes()
                worker.kill()
                process.wait()
                psutil.wait_procs(killed, timeout=GRACE)
                if user:
                    _kill_all_of(user)
                    remove_all_of(user)

    def _command(self, root: str, connection: int) -> list[str]:
        own_user = self.level != "none"
        worker = [sys.executable, "-m", "scripts.grading.worker"]
        worker += [str(connection), *self.limits.options(own_user)]
        if self.level == "none":
            return worker
        # It ends with its grader, even if that is killed.
        ends = ["setpriv", "--pdeathsig", "KILL"]
        if self.level == "user":
            return [*ends, *worker]
        namespaces = "--mount --net --pid --ipc --uts --fork --kill-child"
        user = ""
        if os.getuid():
            namespaces += " --user --map-root-user"
        else:
            number = FIRST_USER + self.slot
            user = f"--reuid={number} --regid={number} --clear-groups"
        seen = {*_SEEN, *map(os.path.realpath, _SEEN), str(self.packages)}
        enter = ["sh", "-c", _ENTER, "sh", root, user, *sorted(seen), "--"]
        unshare = ["unshare", *namespaces.split(), "--"]
        return [*ends, *unshare, *enter, *worker]


def best_level(library: Path) -> str:
    """Return the strongest isolation that the system allows.

    That is "namespaces", "user" for root where there are none, or "none":
    then a submission may read and write what its grader may.
    """
    levels = ["namespaces"] if os.getuid() else ["namespaces", "user"]
    for level in levels:
        sandbox = Sandbox(level, library, Limits())
        with suppress(OSError, EOFError), sandbox.start() as worker:
            Peer(worker.connection).ask(run="")
            return level
    return "none"


def copy_library(folder: Path) -> Path:
    """Copy what a worker imports out of the repository; return where."""
    spec = importlib.util.find_spec("unitconv")
    assert spec is not None
    assert spec.origin is not None
    package = folder / "unitconv"
    shutil.copytree(Path(spec.origin).parent, package)
    grading = folder / "scripts" / "grading"
    grading.mkdir(parents=True)
    for module in ("messages", "worker"):
        shutil.copy(Path(__file__).with_name(f"{module}.py"), grading)
    for path in (folder, *folder.rglob("*")):  # whatever the umask is
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _never_block(connection: Connection) -> None:
    """Let a message fail that the other side neither reads nor ends."""
    wait = struct.pack("ll", 30, 0)  # seconds, microseconds
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)


def _kill_all_of(user: int) -> None:
    """Kill what a submission left running, in whatever session."""
    kill = "import os; os.kill(-1, 9)"
    with suppress(PermissionError):  # then it could not start either
        subprocess.run(
            [sys.executable, "-c", kill],
            user=user,
            group=user,
            stderr=subprocess.DEVNULL,  # there may be nothing to kill
        )


def remove_all_of(user: int) -> None:
    """Remove what a submission left where everybody may write."""
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        for path in Path(folder).glob("*"):
            with suppress(OSError):
                if path.lstat().st_uid != user:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
