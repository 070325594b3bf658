"""`unitconv evaluate` and `measure`: how good a model is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from unitconv.cli.console import (
    cells,
    err,
    out,
    progress_bar,
    say,
    show_rates,
    write,
)
from unitconv.cli.options import (
    Adapter,
    Data,
    Device,
    Dtype,
    Limit,
    Model,
    Prompt,
    Split,
    check_writable,
    chosen_questions,
    load_llm,
)
from unitconv.inference.reference import BATCH_SIZE
from unitconv.training.config import TEMPERATURE

if TYPE_CHECKING:
    from unitconv.evaluation.report import Report
    from unitconv.inference.llm import LLM
    from unitconv.task.dataset import Question


def evaluate(
    data: Data = None,
    split: Split = None,
    model: Model = "course",
    adapter: Adapter = None,
    prompt: Prompt = None,
    limit: Limit = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Questions decoded together.")
    ] = BATCH_SIZE,
    samples: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Sample each question so often, and report how many have "
            "a right completion among them.",
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Of --samples; greedy otherwise.",
            show_default=str(TEMPERATURE),
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", help="Write the report, rows and all, here."
        ),
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Grade a model on a question set, with 95 % intervals."""
    name, questions = chosen_questions(data, split, limit)
    if json_file is not None:
        check_writable(json_file)
    if temperature is not None and samples is None:
        raise ValueError("--temperature needs --samples")
    if samples is not None:
        llm = load_llm(model, adapter, prompt, device, dtype)
        warm = TEMPERATURE if temperature is None else temperature
        settings = samples, warm, batch_size
        _evaluate_samples(llm, name, questions, *settings, json_file)
        return
    from unitconv.common.io import write_json
    from unitconv.evaluation.evaluate import evaluate as run

    llm = load_llm(model, adapter, prompt, device, dtype)
    with progress_bar() as bar:
        task = bar.add_task("evaluating", total=len(questions))
        report = run(
            llm,
            questions,
            batch_size,
            progress=lambda done: bar.advance(task, done),
        )
    report.run["data"] = name
    try:
        if json_file is not None:
            write_json(report.to_json(rows=True), json_file)
            write(err, f"written: {json_file}")
    finally:  # on a full disk the numbers are still to be seen
        _show_report(report)


def _evaluate_samples(
    llm: LLM,
    name: str,
    questions: list[Question],
    samples: int,
    temperature: float,
    batch_size: int,
    json_file: Path | None,
) -> None:
    from unitconv.common.io import write_json
    from unitconv.evaluation.evaluate import evaluate_samples
    from unitconv.inference.reference import Decoding

    with progress_bar() as bar:
        task = bar.add_task("sampling", total=len(questions))
        found = evaluate_samples(
            llm,
            questions,
            samples,
            Decoding(temperature=temperature),
            batch_size,
            progress=lambda done: bar.advance(task, done),
        )
    found.run["data"] = name
    say("data", f"{name}, n = {len(questions)}")
    say("samples", f"{samples} each, at temperature {temperature:g}")
    show_rates(found.rates())
    if json_file is not None:
        write_json(found.to_json(), json_file)


def _show_report(report: Report) -> None:
    say("data", f"{report.run['data']}, n = {len(report.rows)}")
    table = Table()
    for column in ("", "rate", "95 % interval", "of"):
        table.add_column(column, justify="right" if column else "left")
    for name, rate in report.rates().items():
        table.add_row(name.replace("_", " "), *cells(rate))
    table.add_section()
    for group in (report.by_family, report.by_quantity):
        for kind, rate in group.items():
            table.add_row(f"accuracy, {kind}", *cells(rate))
        table.add_section()
    out.print(table)
    wrong = [f"{name} {n}" for name, n in report.failures.items() if n]
    say("wrong", ", ".join(wrong) or "none")
    say(
        "speed",
        f"{report.tokens_per_second:.0f} tokens/s, {report.seconds:.1f} s",
    )


def measure(
    json_file: Annotated[
        Path,
        typer.Argument(
            help="Where the reports go, as JSON.", show_default=False
        ),
    ],
    data: Data = None,
    split: Split = None,
    model: Model = "course",
    limit: Limit = None,
    sampled: Annotated[
        int | None,
        typer.Option(min=1, help="Sample only from the first N."),
    ] = None,
    wrapped: Annotated[
        int | None,
        typer.Option(
            min=1, help="Other wrappers and slips on the first N only."
        ),
    ] = 200,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Measure a base model in every prompt style, and what it imitates."""
    name, questions = chosen_questions(data, split, limit)
    check_writable(json_file)
    from unitconv.common.io import write_json
    from unitconv.evaluation.prompt_probe import (
        ProbeSettings,
        probe_prompts,
    )

    llm = load_llm(model, None, "cot", device, dtype)
    with progress_bar() as bar:
        task = bar.add_task("", total=None)
        found = probe_prompts(
            llm,
            questions,
            ProbeSettings(n_sampled=sampled, n_wrapped=wrapped),
            progress=lambda part: bar.update(task, description=part),
        )
    write_json({"data": name} | found, json_file)
    _show_behaviour(found)


def _show_behaviour(found: dict[str, Any]) -> None:
    """One line per prompt: the rates that its report has."""
    table = Table()
    names = (
        *("accuracy", "answer_rate", "reasoning_validity", "imitated"),
        "at_least_one_right_and_audited",
    )
    for column in ("", "of", *(n.replace("_", " ") for n in names)):
        table.add_column(column, justify="right" if column else "left")
    for style, report in found.items():
        cells = [
            "" if report.get(name) is None else f"{report[name]:.3f}"
            for name in names
        ]
        table.add_row(style, str(report["n"]), *cells)
    out.print(table)
