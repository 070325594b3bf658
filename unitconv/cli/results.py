"""Commands `results` and `results add`: show and add measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Option

from unitconv.cli import console
from unitconv.cli.console import clear_errors, write_field

Folder = Annotated[
    Path | None,
    Option(help="Folder of added results.", show_default="the package's"),
]


@clear_errors()
def results(context: Context, folder: Folder = None) -> None:
    """Show measured accuracy by model, training stage and split."""
    if context.invoked_subcommand is not None:
        return
    from unitconv.evaluation.leaderboard import stages, table

    rows = table.all_rows(folder or table.ADDED)
    names = table.letters(rows)
    for model in dict.fromkeys(row.model for row in rows):
        console.write(model)
        cells = [
            table.short_cells(row, names[row.setting])
            for row in rows
            if row.model == model
        ]
        console.write_table(table.SHORT_HEADS, cells, n_left=2)
    for setting, letter in names.items():
        write_field(letter, setting)
    comparisons = stages.stage_comparisons(stages.read_stages())
    console.write("\ncourse, paired comparisons on the same questions")
    console.write_table(
        stages.SUMMARY_HEADS,
        stages.summary_cells(comparisons),
        n_left=3,
    )


def add(
    report: Annotated[
        Path, Argument(help="Report that `evaluate --json` has written.")
    ],
    stage: Annotated[
        str | None,
        Option(
            help="Training of the adapter: sft, rft-1, rft-2 or random.",
            show_default="the prompt style, without an adapter",
        ),
    ] = None,
    name: Annotated[
        str | None,
        Option(help="Name of the model.", show_default="its hub id"),
    ] = None,
    replace: Annotated[
        bool, Option("--replace", help="Replace an existing result.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Add a checked result, without its texts, that can be shared."""
    from unitconv.evaluation.leaderboard import table

    record = table.make_record(report, stage, name)
    path = table.add_record(record, folder or table.ADDED, replace)
    console.write(f"written: {path}", console.err)
    write_field("row", f"{record.model}, {record.stage}, {record.split}")
    write_field("see it", "unitconv results")
    write_field("share", f"upload the file at {upload_address()}")


def upload_address() -> str:
    """Return the GitHub page that makes a pull request of a file."""
    folder = "unitconv/evaluation/results/added"
    return f"{console.repository_url()}/upload/main/{folder}"


app = console.make_app(
    add,
    callback=results,
    invoke_without_command=True,
    help="Show measured results; `add` one of your own.",
)
