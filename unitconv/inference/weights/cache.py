"""Cache folder of weights that were converted on this machine.

A set of weights is complete or absent: it is made in a folder beside, which
is renamed at the end. What a killed process left is removed by the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock
from platformdirs import user_cache_path
from safetensors import SafetensorError

from unitconv.common.errors import UnitconvError

#: Environment variable that names another folder.
VARIABLE = "UNITCONV_CACHE"


class WeightsError(UnitconvError):
    """Raised for weights that cannot be fetched, or not be stored."""


@dataclass(frozen=True)
class Weights:
    """Folder of a model, and the name that says exactly which it is."""

    name: str
    folder: Path

    @property
    def megabytes(self) -> float:
        """Size of all files."""
        files = (f for f in self.folder.rglob("*") if f.is_file())
        return sum(f.stat().st_size for f in files) / 1e6


class Source(Protocol):
    """A source of a model's weights."""

    def cached(self) -> Weights | None:
        """Return the weights if they are on this machine already."""

    def fetch(self) -> Weights:
        """Download the weights.

        Raises:
            WeightsError: they cannot be had, with the reason.
        """


def cache_folder() -> Path:
    """Return ``$UNITCONV_CACHE``, or the platform's folder for caches."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    return user_cache_path("unitconv")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Wait until no other process fetches or clears the weights `name`."""
    with _clear_errors():
        cache_folder().mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache_folder() / f".{name}.lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_folder(name: str, megabytes: float) -> Iterator[Path]:
    """Yield an empty folder that becomes the cache's `name` at the end.

    Of what the block makes, only the subfolder ``model`` is kept. To be
    used inside of `locked`.

    Raises:
        WeightsError: less than `megabytes` are free, or writing failed.
    """
    unfinished = cache_folder() / f".{name}.unfinished"
    with _clear_errors():
        free = shutil.disk_usage(cache_folder()).free / 1e6
        if free < megabytes:
            raise WeightsError(
                f"{megabytes:.0f} MB are needed in {cache_folder()}, and "
                f"{free:.0f} MB are free: make room, or set {VARIABLE} to "
                "a folder on another disk"
            )
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            yield unfinished
            (unfinished / "model").rename(cache_folder() / name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def remove(name: str) -> None:
    """Delete the weights `name`, complete or not."""
    with locked(name), _clear_errors():
        for folder in (name, f".{name}.unfinished"):
            if (path := cache_folder() / folder).exists():
                shutil.rmtree(path)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot write to the cache {cache_folder()}: {error}. Is the "
            f"disk full? {VARIABLE} can name another folder"
        ) from error
