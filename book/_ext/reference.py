"""Sphinx extension: document every module of a package.

    ```{package} unitconv.training
    ```

becomes a section with the docstring of the package and a table of its
public modules, and one for each module, so no page has to list them.
"""

import re
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

AUTOMODULE = "```{{eval-rst}}\n.. automodule:: {}\n   {}\n```"
AUTOSUMMARY = "```{{eval-rst}}\n.. autosummary::\n\n   {}\n```"
LONGEST_VALUE = 200  # characters of a constant
# Plain text in the docstrings, so that `help()` reads well too.
LINKS = {
    r"\barXiv:(\d{4}\.\d{4,5})": r"`\g<0> <https://arxiv.org/abs/\1>`__",
    r"\bdoi:(10\.\d+/[\w./]*\w)": r"`\g<0> <https://doi.org/\1>`__",
}


def markdown(package: str) -> str:
    """Write the sections of a package and of each public module."""
    found = walk_packages(import_module(package).__path__, f"{package}.")
    modules = [module for module in found if "._" not in module.name]
    # A table in a module names what lies below it by its short name.
    short = [module.name.removeprefix(f"{package}.") for module in modules]
    parts = [
        f"## {package}",
        AUTOMODULE.format(package, ":no-members:"),
        AUTOSUMMARY.format("\n   ".join(short)),
    ]
    for _, name, is_package in modules:
        # What a package re-exports is documented where it is defined.
        members = ":no-members:" if is_package else ":members:"
        parts += [f"### {name}", AUTOMODULE.format(name, members)]
    return "\n\n".join(parts)


class PackageDirective(SphinxDirective):
    """`{package} NAME`: a section for it, and one for each module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = markdown(self.arguments[0]).splitlines()
        parent = nodes.Element()
        source = StringList(lines, self.name)
        self.state.nested_parse(source, 0, parent, match_titles=True)
        return parent.children


def link_sources(app: Sphinx, *what: Any) -> None:
    """Turn the arXiv and DOI numbers of a docstring into links."""
    lines: list[str] = what[-1]
    text = "\n".join(lines)
    for pattern, link in LINKS.items():
        text = re.sub(pattern, link, text)
    lines[:] = text.split("\n")


def shorten_values(
    app: Sphinx, domain: str, objtype: str, content: addnodes.desc_content
) -> None:
    """Leave out the value of a long constant, such as a table."""
    for part in list(content.parent.findall(addnodes.desc_annotation)):
        if len(part.astext()) > LONGEST_VALUE:
            part.clear()
            part += nodes.Text(" = ...")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("package", PackageDirective)
    app.connect("autodoc-process-docstring", link_sources)
    app.connect("object-description-transform", shorten_values)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
