"""`unitconv results`: the table of what was measured, and a row more."""

from __future__ import annotations

from importlib.metadata import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from unitconv.cli.console import clear_errors, err, out, say, write

# No torch here: a table of numbers should be there at once.
app = typer.Typer(
    help="Show what was measured; `add` a result of your own.",
    invoke_without_command=True,
)
Folder = Annotated[
    Path | None,
    typer.Option(
        help="Where readers' results lie.", show_default="the package's"
    ),
]


@app.callback()
@clear_errors()
def results(context: typer.Context, folder: Folder = None) -> None:
    """Show what was measured: accuracy by model, stage and split."""
    if context.invoked_subcommand is not None:
        return
    from unitconv.evaluation.leaderboard import (
        ADDED,
        SHORT_HEADS,
        all_rows,
        letters,
        short_cells,
    )

    rows = all_rows(folder or ADDED)
    names = letters(rows)
    for model in dict.fromkeys(row.model for row in rows):
        write(out, model)
        table = Table(
            box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False
        )
        for i, head in enumerate(SHORT_HEADS):
            table.add_column(head, justify="right" if i > 1 else "left")
        for row in rows:
            if row.model == model:
                table.add_row(*short_cells(row, names[row.setting]))
        out.print(table)
    for setting, letter in names.items():
        say(letter, setting)


@app.command()
@clear_errors()
def add(
    report: Annotated[
        Path, typer.Argument(help="What `evaluate --json` has written.")
    ],
    stage: Annotated[
        str | None,
        typer.Option(
            help="sft, rft-1, rft-2 or random, of an adapter.",
            show_default="the prompt's style, without an adapter",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="What to call the model.", show_default="its hub id"
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Renew a row of that name.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Make a row of a report: checked, without its texts, to be shared."""
    from unitconv.evaluation.leaderboard import (
        ADDED,
        add_record,
        make_record,
    )

    record = make_record(report, stage, name)
    path = add_record(record, folder or ADDED, replace)
    write(err, f"written: {path}")
    say("row", f"{record.model}, {record.stage}, {record.split}")
    say("see it", "unitconv results")
    say("share", f"upload the file at {upload_address()}")


def upload_address() -> str:
    """GitHub's page that makes a pull request of an uploaded file."""
    urls = metadata("unitconv").get_all("Project-URL") or []
    found = dict(url.split(", ", 1) for url in urls)
    folder = "unitconv/evaluation/results/added"
    return f"{found.get('Repository', '')}/upload/main/{folder}"
