"""The command line: parse, call, print.

Exit codes: 0 done, 1 the work failed, 2 the request made no sense, 130
interrupted. Whatever goes wrong that the user can mend is one line on
standard error.
"""

from __future__ import annotations

from typing import Annotated

import typer

from unitconv.cli import ask as asking
from unitconv.cli import bench as benching
from unitconv.cli import evaluate as evaluating
from unitconv.cli import pretrain
from unitconv.cli import results as recording
from unitconv.cli import train as training
from unitconv.cli.console import clear_errors, out

app = typer.Typer(
    name="unitconv",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        from unitconv import __version__

        out.print(f"unitconv {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show it."
        ),
    ] = False,
) -> None:
    """How a small language model is made to reason, on unit conversion."""


for command in (
    asking.ask,
    evaluating.evaluate,
    evaluating.measure,
    training.sft,
    training.rollouts,
    training.rft,
    benching.bench,
    pretrain.pretrain,
    pretrain.corpus,
    asking.info,
):
    app.command()(clear_errors()(command))
app.add_typer(recording.app, name="results")
