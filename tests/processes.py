"""Commands in processes of their own, one or several, and their files."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from unitconv.inference.load.adapter import ADAPTER_WEIGHTS

TIMEOUT = 600
# Gloo must not look for another machine.
LOCAL = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
CLI = [sys.executable, "-m", "unitconv.cli"]
ROLLOUTS = ["rft.json", "rft.jsonl"]
WEIGHTS = f"sft/{ADAPTER_WEIGHTS}"
RFT_WEIGHTS = f"rft/{ADAPTER_WEIGHTS}"
REPORT = "report.json"
GGUF = "model.gguf"
# No answer of a random model is right: the best step is that before any.
RL_WEIGHTS = "rl/checkpoints/step-000002/adapter.safetensors"
#: Rewards what a random model writes, too.
REWARD = "def even(graded):\n    return len(graded.text) % 2\n"

#: Returns the arguments of a command with outputs in a folder.
Arguments = Callable[[str, Path], list[str]]
APPEND = "unitconv.common.files.json_lines:append_lines"


def run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=LOCAL,
    )
    assert done.returncode == 0, done.stderr


def content(path: Path) -> object:
    """Return a file, but for times and for what depends on them."""
    if path.name != REPORT:
        return path.read_bytes()
    report = json.loads(path.read_text())
    del report["seconds"], report["tokens_per_second"]
    del report["run"]["when"]
    return report


def launcher(rank: int = 0, nodes: int = 1, port: int = 0) -> list[str]:
    """Return the command of torch that starts processes on a CPU.

    `accelerate launch --cpu` starts one, whatever the number it is given.
    """
    return [
        *[sys.executable, "-m", "torch.distributed.run"],
        *[f"--nnodes={nodes}", f"--node_rank={rank}"],
        *[
            "--master_addr=127.0.0.1",
            f"--master_port={port or free_port()}",
        ],
    ]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run_several(count: int, arguments: list[str], logs: Path) -> None:
    """Run a command in several processes on this machine's loopback."""
    run(
        [
            *[*launcher(), f"--nproc_per_node={count}"],
            *[f"--log_dir={logs}", "--redirects=3", "--tee=3"],
            *["-m", "unitconv.cli", *arguments],
        ]
    )
    # There were as many: each has a log of its own.
    assert len([*logs.glob("*/attempt_0/*/stdout.log")]) == count
