"""The functions of the widgets, run by Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import live_grading

from tests.book.test_site import build
from tests.live.pages import ROOT, make_page

NODE = shutil.which("node")
HARNESS = Path(__file__).with_name("call_in_node.js")
#: Without those that need a page to draw in.
SCRIPTS = ["schedule", "advantages", "padded_batch", "worked_example"]

# All but live_figure, the base of the others.
WIDGETS = {path.stem for path in (ROOT / "book" / "_ext").glob("live_*.py")}
EXTENSIONS = [
    *["content_security", "icons", "offline"],
    *sorted(WIDGETS - {"live_figure"}),
]


def build_page(folder: Path, directives: dict[str, str]) -> Path:
    """Build a page that shows widgets, as the book does.

    Args:
        directives: the argument of each.
    """
    parts = ["Widgets\n=======\n"]
    for name, argument in directives.items():
        # That which asks the model has no caption.
        caption = "" if name == "ask-model" else "   What to look at.\n"
        parts.append(f".. {name}:: {argument}\n\n{caption}")
    build(
        folder,
        "\n".join(parts),
        extensions=EXTENSIONS,
        html_theme="sphinx_book_theme",
        html_static_path=[str(ROOT / "book" / "_static")],
        html_css_files=["unitconv.css"],
        html_context={"default_mode": "auto"},
    )
    return folder / "out" / "index.html"


def make_folder(folder: Path) -> Path:
    """Write scripts and data as a build does."""
    make_page(folder)
    tables = folder / "grading" / "tables.js"
    tables.write_text(live_grading.make_tables(), encoding="utf-8")
    return folder


class WidgetPage:
    """A process of Node with the runtime, the grader and the widgets."""

    def __init__(self, folder: Path) -> None:
        assert NODE is not None
        scripts = [f"widgets/{name}" for name in SCRIPTS]
        self.node = subprocess.Popen(
            [NODE, str(HARNESS), str(make_folder(folder)), *scripts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> WidgetPage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.node.communicate()

    def call(self, name: str, *values: Any) -> Any:
        """Call a function of the page."""
        assert self.node.stdin is not None
        assert self.node.stdout is not None
        print(json.dumps([name, values]), file=self.node.stdin, flush=True)
        line = self.node.stdout.readline()
        assert line, f"{name} failed"
        return json.loads(line)
