"""Run metadata: machine, threads, time and package versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("unitconv", "torch", "transformers")


def run_metadata() -> dict[str, Any]:
    """Collect the machine, its threads, the time and the versions."""
    import torch

    return {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def machine() -> str:
    """Describe the machine: architecture, cores, GPU if there is one."""
    import torch  # slow to import

    description = f"{platform.machine()}, {os.cpu_count()} cores"
    if torch.cuda.is_available():
        description += f", {torch.cuda.get_device_name()}"
    return description


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of the installed `packages`."""
    installed = {"python": platform.python_version()}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed
