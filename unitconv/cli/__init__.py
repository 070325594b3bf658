"""Command line: `unitconv ask`, `evaluate`, `sft`, `rft` and others.

Exit codes: 0 for success, 1 if the work failed, 2 for a request that makes
no sense, 130 if interrupted.
"""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

from unitconv.cli import ask, bench, evaluate, export, pretrain, results
from unitconv.cli.console import clear_errors, make_app, out
from unitconv.cli.train import finetune, rl, rollouts


def _show_version(requested: bool) -> None:
    if requested:
        from unitconv import __version__

        out.print(f"unitconv {__version__}")
        raise Exit()


def main(
    version: Annotated[
        bool,
        Option(
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
    finetune.sft,
    rollouts.rollouts,
    finetune.rft,
    rl.rl,
    export.export,
    bench.bench,
    pretrain.pretrain,
    pretrain.corpus,
    ask.info,
    ask.download,
    ask.clear_cache,
    name="unitconv",
    callback=main,
    no_args_is_help=True,
)
# For those who make the shipped model.
app.command(hidden=True)(clear_errors()(pretrain.card))
app.add_typer(results.app, name="results")
