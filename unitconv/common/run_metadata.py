"""Where a number was measured, when, and with what.

A number without it is hearsay: every record of the course carries these
fields, written by this file alone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("unitconv", "torch", "transformers")


def provenance() -> dict[str, Any]:
    """The machine, its threads, the moment, and the versions."""
    import torch

    return {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def machine() -> str:
    """The machine in words: architecture, cores, GPU if there is one."""
    import torch  # takes seconds: only who measures pays

    words = f"{platform.machine()}, {os.cpu_count()} cores"
    if torch.cuda.is_available():
        words += f", {torch.cuda.get_device_name()}"
    return words


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Of Python, and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
