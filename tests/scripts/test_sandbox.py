"""A submission leaves nothing behind, whatever becomes of its grader."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGINT

import psutil
import pytest

from scripts.grading.messages import Peer
from scripts.grading.sandbox import (
    FIRST_USER,
    Limits,
    Sandbox,
    best_level,
    copy_library,
    remove_all_of,
)
from scripts.grading.weights import WEIGHTS, copy_weights
from unitconv.inference.weights.catalog import Q4

pytestmark = pytest.mark.slow


def test_nothing_is_left_where_everybody_writes(tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("only root grades as another user")
    user = FIRST_USER + 99
    kept = tmp_path / "kept"
    kept.write_text("ours", "utf-8")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as ours:
        theirs = Path(tempfile.mkdtemp(dir="/var/tmp"))
        (theirs / "trap.py").write_text("1 / 0", "utf-8")
        link = theirs.with_name(f"{theirs.name}-link")
        link.symlink_to(kept)
        for path in (theirs, link):
            os.chown(path, user, user, follow_symlinks=False)
        remove_all_of(user)
        assert not theirs.exists()
        assert not link.is_symlink()
        assert Path(ours).is_dir()
    assert kept.read_text("utf-8") == "ours"


@pytest.mark.parametrize("background", [False, True])
def test_loop_is_interrupted(background: bool, tmp_path: Path) -> None:
    """Shells start what is in the background with SIGINT ignored."""
    packages = copy_library(tmp_path)
    handler = signal.SIG_IGN if background else signal.getsignal(SIGINT)
    before = signal.signal(SIGINT, handler)
    try:
        with Sandbox("none", packages, Limits()).start() as worker:
            peer = Peer(worker.connection)
            peer.ask(run="")
            peer.send(run="while True:\n    pass")
            for _ in range(30):
                worker.signal(SIGINT)
                if worker.connection.poll(1):
                    break
            else:
                pytest.fail("it cannot be interrupted")
            assert peer.receive()["error"] == "KeyboardInterrupt"
    finally:
        signal.signal(SIGINT, before)


def test_all_has_ended_when_the_sandbox_has(tmp_path: Path) -> None:
    packages = copy_library(tmp_path)
    fork = "import os, time\nif not os.fork():\n    time.sleep(999)"
    sandbox = Sandbox(best_level(packages), packages, Limits(), slot=98)
    with sandbox.start() as worker:
        Peer(worker.connection).ask(run=fork)
        started = worker.processes()
    assert [one for one in started if one.is_running()] == []


TRIES = """\
from unitconv.inference.weights.catalog import find_weights

folder = find_weights({weights!r}).folder
card = folder / "README.md"
found = card.read_text()
refused = []
for attempt in [
    lambda: card.write_text("mine"),
    lambda: card.chmod(0o777),
    lambda: card.unlink(),
    lambda: (folder / "model.py").touch(),
    lambda: folder.rename(folder.with_name("other")),
    lambda: open({cache!r} + "/README.md"),
]:
    try:
        attempt()
        refused.append(False)
    except OSError:
        refused.append(True)
"""


@pytest.mark.parametrize("level", ["namespaces", "user"])
def test_weights_are_read_and_not_changed(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grader's own cache, which only the grader may read, is not."""
    cache = tmp_path / WEIGHTS
    cache.mkdir(mode=0o700)
    (cache / "README.md").write_text("a card", "utf-8")
    monkeypatch.setenv("UNITCONV_CACHE", str(tmp_path))
    with tempfile.TemporaryDirectory() as folder:
        packages = copy_library(Path(folder))
        copy_weights(packages)
        tries = TRIES.format(weights=WEIGHTS, cache=str(cache))
        # A user of its own: its end kills all that belongs to the user.
        sandbox = Sandbox(level, packages, Limits(), slot=98)
        try:
            with sandbox.start() as worker:
                peer = Peer(worker.connection)
                peer.ask(run=tries)
                found, refused = peer.ask(answers=["found", "refused"])
        except (OSError, EOFError):
            pytest.skip(f"the system allows no {level}, or not to us")
    assert found == "a card"
    assert refused == [True] * 6
    assert [one.name for one in cache.iterdir()] == ["README.md"]
    assert Q4.name == WEIGHTS


KILLED = """\
import os
from pathlib import Path
from signal import SIGINT
from scripts.grading.messages import Peer
from scripts.grading.sandbox import Limits, Sandbox

loop = "import subprocess\\nsubprocess.run(['sleep', '87654'])"
with Sandbox({level!r}, Path({packages!r}), Limits()).start() as worker:
    Peer(worker.connection).ask(run="")
    Peer(worker.connection).send(run=loop)
    print("started", flush=True)
    input()
"""


def runs(*command: str) -> bool:
    return any(
        one.info["cmdline"] == [*command]
        for one in psutil.process_iter(["cmdline"])
    )


def test_submission_ends_with_a_grader_that_is_killed(
    tmp_path: Path,
) -> None:
    packages = copy_library(tmp_path)
    level = best_level(packages)
    if level != "namespaces":
        pytest.skip("the system allows no namespaces")
    code = KILLED.format(level=level, packages=str(packages))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        for _ in range(300):
            if runs("sleep", "87654"):
                break
            time.sleep(0.1)
        else:
            pytest.fail("it did not start")
        process.kill()
    for _ in range(100):
        if not runs("sleep", "87654"):
            return
        time.sleep(0.1)
    pytest.fail("a submission outlives its grader")
