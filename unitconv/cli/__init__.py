"""Command line: `unitconv ask`, `evaluate`, `sft`, `rft` and others.

Exit codes: 0 for success, 1 if the work failed, 2 for a request that makes
no sense, 130 if interrupted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import Typer


def __getattr__(name: str) -> Typer:
    """Import `app` on demand, as `-m unitconv.cli.pretrain` needs none."""
    if name == "app":
        from unitconv.cli.__main__ import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
