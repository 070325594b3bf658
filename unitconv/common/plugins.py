"""A reader's own objects, named on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from unitconv.common.errors import UnitconvError


class PluginError(UnitconvError):
    """An object that cannot be found, imported or used."""


def import_attribute(kind: str, name: str, known: Iterable[str]) -> object:
    """Import a `module:attribute`; the module may lie in this folder.

    Args:
        kind: what it is for, for the errors: task or reward.
        name: of module and attribute.
        known: names that the caller has besides, for the errors.

    Raises:
        PluginError: no such module or attribute.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise PluginError(
            f"unknown {kind} {name!r}: choose from {', '.join(known)}, or "
            "name your own as module:attribute"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        # At the end: a file of the reader's must not replace a library.
        sys.path.append(here)
    try:
        module = import_module(module_name)
    except Exception as error:
        raise PluginError(
            f"{kind} {name!r}: the module {module_name!r} cannot be "
            f"imported ({type(error).__name__}: {error}): run the command "
            "in its folder, and see that `python -c 'import ...'` accepts "
            "it"
        ) from error
    if not hasattr(module, attribute):
        raise PluginError(
            f"{kind} {name!r}: {module.__file__} has no {attribute!r}"
        )
    found: object = getattr(module, attribute)
    return found
