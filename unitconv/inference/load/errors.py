"""Errors of the loaders, and how they are kept quiet."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging

from unitconv.common.errors import UnitconvError

#: Errors that the loaders raise on files with the wrong content.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    ArithmeticError,  # "num_attention_heads": 0
    AttributeError,
    SafetensorError,
    StrictDataclassError,
)


class ModelError(UnitconvError):
    """Raised for a model or an adapter that cannot be loaded."""


@contextmanager
def without_advice() -> Iterator[None]:
    """Silence Transformers' warning about a name that it will change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*checkpointing", FutureWarning)
        yield


@contextmanager
def quiet(progress_bar: bool) -> Iterator[None]:
    """Keep the loaders from printing: our errors say what is wrong."""
    had_bar = logging.is_progress_bar_enabled()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    if not progress_bar:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bar:
            logging.enable_progress_bar()


def reason_of(error: Exception) -> str:
    """Return an error's text on one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
