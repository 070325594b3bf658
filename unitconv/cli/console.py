"""Console output, progress bars and error reports of all commands."""

from __future__ import annotations

import math
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import metadata
from typing import TYPE_CHECKING, Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table
from typer import Exit, Typer

from unitconv.common.distributed import noticing_lost_processes
from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from unitconv.evaluation.stats import Proportion

# What is printed is mostly data: "[bold]" and ":smile:" mean themselves.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

# Errors of torch and Python that are no bugs, by a part of their text.
OUT_OF_MEMORY = re.compile("out of memory|CPUAllocator|MemoryError")


def make_app(*commands: Callable[..., None], **settings: Any) -> Typer:
    """Make a typer application of functions, whose errors are clear."""
    app = Typer(
        add_completion=False, pretty_exceptions_enable=False, **settings
    )
    for command in commands:
        app.command()(clear_errors()(command))
    return app


@contextmanager
def clear_errors() -> Iterator[None]:
    """Print one line for errors that a user can mend, else a traceback.

    Ctrl-C is left to `unitconv.__main__`.
    """
    try:
        with noticing_lost_processes():
            yield
    except UnitconvError as error:
        _fail(str(error), 2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{where}", 1)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if OUT_OF_MEMORY.search(text):
            _fail(f"{text} (lower --batch-size)", 1)
        traceback.print_exception(error)
        _fail(
            "this is a bug in unitconv. Please report it, with the lines "
            f"above, at {repository_url()}/issues",
            1,
        )


def _fail(message: str, code: int) -> None:
    write(f"unitconv: {' '.join(message.split())}", err)
    raise Exit(code)


def repository_url() -> str:
    """Return the project's address, as the package's metadata has it."""
    urls = metadata("unitconv").get_all("Project-URL") or []
    return dict(url.split(", ", 1) for url in urls).get("Repository", "")


def write(text: str, console: Console = out) -> None:
    """Print text of unknown origin as it is, without wrapping it.

    A control character could move the cursor or color the screen, and not
    every terminal has a "²": both are shown as Python escapes them.
    """
    shown = "".join(
        c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text
    )
    encoding = console.encoding
    shown = shown.encode(encoding, "backslashreplace").decode(encoding)
    console.print(shown, soft_wrap=True)


def write_field(label: str, text: str) -> None:
    """Print a line with its label."""
    write(f"{label:>7}  {text}")


def write_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], n_left: int = 1
) -> None:
    """Print a table, its first `n_left` columns aligned on the left."""
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for i, head in enumerate(heads):
        side: Literal["left", "right"] = "left" if i < n_left else "right"
        table.add_column(head, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def write_rates(title: str, rates: dict[str, Proportion]) -> None:
    """Print named proportions with their 95 % intervals."""
    rows = []
    for name, rate in rates.items():
        low, high = rate.ci95
        cells = (f"{rate.value:.3f}", f"{low:.3f} - {high:.3f}")
        rows.append((name, *(cells if rate.n else "--"), str(rate.n)))
    write_table((title, "rate", "95 % interval", "of"), rows)


@contextmanager
def progress_bar(
    description: str, total: int | None = None
) -> Iterator[Callable[..., None]]:
    """Show a bar on a terminal; yield rich's `Progress.update` for it."""
    with Progress(
        *Progress.get_default_columns(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as bar:
        yield partial(bar.update, bar.add_task(description, total=total))


@contextmanager
def training_bar() -> Iterator[TrainerCallback]:
    """Show a bar of training steps, moved by the yielded callback.

    Where there is no terminal to show it, print a line for each epoch.
    """
    from transformers import TrainerCallback

    with progress_bar("training") as update:

        class MoveBar(TrainerCallback):
            def on_step_end(
                self, args: Any, state: Any, control: Any, **_: Any
            ) -> None:
                update(completed=state.global_step, total=state.max_steps)

            def on_evaluate(
                self, args: Any, state: Any, control: Any, **event: Any
            ) -> None:
                score = event["metrics"].get("eval_score", math.nan)
                right = f"{score:.3f} right on valid"
                update(description=f"training, {right}")
                if not err.is_terminal:
                    epochs = f"of {state.num_train_epochs}"
                    write(f"epoch {state.epoch:.0f} {epochs}: {right}", err)

        yield MoveBar()


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print warnings without the line of code that they come from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: write(
            f"warning: {message}", err
        )
        yield
