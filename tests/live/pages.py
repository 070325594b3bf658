"""The browser's scripts, run in Node or in a page of Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import live_model

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "book" / "_static" / "live"
HERE = Path(__file__).parent

#: See answer_requests.js: `does` names what is asked.
Request = dict[str, Any]

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Test</title>
<script src="load.js"></script>
<script src="answer_requests.js"></script>
"""


def make_page(folder: Path) -> Path:
    """Copy the scripts, write the data and a page that loads them."""
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    shutil.copy(HERE / "answer_requests.js", folder)
    live_model.write_scripts(folder / "data")
    page = folder / "page.html"
    page.write_text(PAGE, encoding="utf-8")
    return page


class NodePage:
    """A process of Node that runs the scripts in a folder."""

    def __init__(self, node: str, folder: Path, *flags: str) -> None:
        self.process = subprocess.Popen(
            [node, str(HERE / "node_page.js"), str(folder), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, *requests: Request) -> list[Any]:
        """Answer requests, in order."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(requests), file=self.process.stdin, flush=True)
        replies: list[Any] = json.loads(self.process.stdout.readline())
        return replies

    def close(self) -> None:
        self.process.communicate(timeout=10)
