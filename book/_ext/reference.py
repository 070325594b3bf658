"""Sphinx extension: the pages that are made from the library itself.

- A line `{commands}` in a page becomes the command line's help, as typer
  writes it, so that no page can tell of an option that is gone.
- In docstrings `arXiv:2308.01825` and `doi:10.2307/2276774` become links,
  and signatures are made fit to be read.
"""

import re
import subprocess
import sys
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SOURCES = {
    r"\barXiv:(\d{4}\.\d{4,5})": r"`\g<0> <https://arxiv.org/abs/\1>`__",
    r"\bdoi:(10\.\d+/[\w./]*\w)": r"`\g<0> <https://doi.org/\1>`__",
}
# What of typer's Markdown is put another way.
TIDIED = {
    r"^(##+) `(.+)`$": r"\1 \2",
    r"^\* `--help`.*\n": "",
    r"^\*\*Options\*\*:\n\n(?=\n|\Z)": "",
}
# Outside of backticks two hyphens would become a dash.
OPTION = re.compile(r"(`[^`\n]*`)|(?<![-\w])(--[a-z][-a-z]*)")


def command_help() -> str:
    """Every command of `unitconv` with its options, as Markdown."""
    typer = [sys.executable, "-m", "typer", "unitconv.cli", "utils", "docs"]
    written = subprocess.run(
        [*typer, "--name", "unitconv"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    # The part before the first command only lists the commands.
    text = "## " + written.split("\n## ", 1)[1]
    for pattern, better in TIDIED.items():
        text = re.sub(pattern, better, text, flags=re.M)
    return OPTION.sub(lambda found: found[1] or f"`{found[2]}`", text)


class Commands(SphinxDirective):
    """`{commands}`: the help of every command, one section each."""

    def run(self) -> list[nodes.Node]:
        held = nodes.Element()
        lines = StringList(command_help().splitlines(), "typer")
        self.state.nested_parse(lines, 0, held, match_titles=True)
        return held.children


def link_sources(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: Any
) -> None:
    text = "\n".join(lines)
    for pattern, link in SOURCES.items():
        text = re.sub(pattern, link, text)
    lines[:] = text.split("\n")


def readable_defaults(
    app: Sphinx,
    what: str,
    name: str,
    obj: Any,
    options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """A default that a factory makes is no Python: write it as "..."."""
    shown = signature and signature.replace("<factory>", "...")
    return shown, returned


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("commands", Commands)
    app.connect("autodoc-process-docstring", link_sources)
    app.connect("autodoc-process-signature", readable_defaults)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
