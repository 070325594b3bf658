"""The `unitconv` command, also run as `python -m unitconv.cli`."""

from __future__ import annotations

from typing import Annotated

import typer

from unitconv.cli import ask, bench, evaluate, pretrain, results, train
from unitconv.cli.console import make_app, out


def _show_version(requested: bool) -> None:
    if requested:
        from unitconv import __version__

        out.print(f"unitconv {__version__}")
        raise typer.Exit()


def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Teach a small language model to reason about unit conversion."""


app = make_app(
    ask.ask,
    evaluate.evaluate,
    evaluate.measure,
    train.sft,
    train.rollouts,
    train.rft,
    bench.bench,
    pretrain.pretrain,
    pretrain.corpus,
    ask.info,
    name="unitconv",
    callback=main,
    no_args_is_help=True,
)
app.add_typer(results.app, name="results")

if __name__ == "__main__":
    app()
