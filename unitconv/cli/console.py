"""What every command prints with: two streams, clear errors, a bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from unitconv.evaluation.stats import Proportion

# What is printed is mostly data: "[bold]" and ":smile:" mean themselves.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what a user can mend into one line and the right exit code."""
    try:
        yield
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except ValueError as error:  # every error class of ours is one
        _fail(str(error), 2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{where}", 1)
    except (RuntimeError, MemoryError) as error:
        _fail(str(error).strip() or type(error).__name__, 1)


def _fail(message: str, code: int) -> None:
    line = " ".join(message.split())
    write(err, f"unitconv: {line}")
    raise typer.Exit(code)


def write(console: Console, text: str) -> None:
    """Print text that we did not write, without wrapping it.

    A control character could move the cursor or colour the screen, and not
    every terminal has a "²": both are shown as Python escapes them.
    """
    shown = "".join(
        c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text
    )
    encoding = console.encoding
    shown = shown.encode(encoding, "backslashreplace").decode(encoding)
    console.print(shown, soft_wrap=True)


def progress_bar() -> Progress:
    """A bar on standard error that is gone when the work is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def say(label: str, text: str) -> None:
    write(out, f"{label:>7}  {text}")


def show_rates(rates: dict[str, Proportion]) -> None:
    table = Table()
    for column in ("", "rate", "95 % interval", "of"):
        table.add_column(column, justify="right" if column else "left")
    for name, rate in rates.items():
        table.add_row(name, *cells(rate))
    out.print(table)


def cells(rate: Proportion) -> tuple[str, str, str]:
    if rate.n == 0:
        return "-", "-", "0"
    low, high = rate.ci95
    return f"{rate.value:.3f}", f"{low:.3f} - {high:.3f}", str(rate.n)
