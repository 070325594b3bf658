"""The command line: parse, call, print.

Exit codes: 0 done, 1 the work failed, 2 the request made no sense, 130
interrupted. Whatever goes wrong that the user can mend is one line on
standard error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

from unitconv.pretraining import command as pretraining

# torch and transformers take seconds to import: each command imports what
# it needs, so that --help and a mistyped option answer at once.
if TYPE_CHECKING:
    from unitconv.evaluation import Report
    from unitconv.llm import LLM
    from unitconv.questions import Question
    from unitconv.rates import Rate

app = typer.Typer(
    name="unitconv",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# What is printed is mostly data: "[bold]" and ":smile:" mean themselves.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

MODEL_HELP = "'course' (shipped), a hub id, or a folder."
ADAPTER_HELP = "Folder of a LoRA adapter trained for this model."
PROMPT_HELP = (
    "raw, chat, direct or cot. Default: cot, or raw with an adapter, which "
    "has learned the format."
)
Model = Annotated[str, typer.Option("--model", help=MODEL_HELP)]
Adapter = Annotated[
    str | None, typer.Option("--adapter", help=ADAPTER_HELP)
]
Prompt = Annotated[str | None, typer.Option("--prompt", help=PROMPT_HELP)]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Your own JSON file: [[question, answer], ...]."
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="train, valid, test or test_hard.",
        show_default="test",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only the first N questions."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")
]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", help="float32, bfloat16 or float16."),
]


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
    _print(err, f"unitconv: {line}")
    raise typer.Exit(code)


def _print(console: Console, text: str) -> None:
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


def _load(
    model: str,
    adapter: str | None,
    prompt: str | None,
    device: str | None,
    dtype: str | None,
) -> LLM:
    from transformers.utils.logging import disable_progress_bar

    from unitconv.llm import LLM

    if not err.is_terminal:
        disable_progress_bar()
    llm = LLM.from_pretrained(model, adapter, prompt, device, dtype)
    _print(err, repr(llm))
    return llm


def _progress() -> Progress:
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


@app.command()
def ask(
    question: Annotated[
        str, typer.Argument(help='"How many gram are there per 6 kg?"')
    ],
    model: Model = "course",
    adapter: Adapter = None,
    prompt: Prompt = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 is greedy.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print what it reads.")
    ] = False,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Ask one question; show the reply, its answer, and the truth."""
    with clear_errors():
        from unitconv.prompts import check_question

        check_question(question)
        from unitconv.decoding import Decoding

        settings = Decoding(temperature=temperature, seed=seed)
        llm = _load(model, adapter, prompt, device, dtype)
        text = llm.format_prompt(question)
        if show_prompt:
            _say("prompt", text)
        reply = llm.generate(text, settings)
        _say("model", reply.strip() or "(nothing)")
        _show_grade(question, reply)


def _say(label: str, text: str) -> None:
    _print(out, f"{label:>7}  {text}")


def _show_grade(question: str, reply: str) -> None:
    from unitconv.answers import audit_reasoning, is_correct, parse_answer
    from unitconv.conversions import parse_question

    for claim in audit_reasoning(reply):
        verdict = {True: "true", False: "FALSE", None: "not checkable"}
        _say("audit", f"{claim.text}: {verdict[claim.verdict]}")
    answer = parse_answer(reply)
    _say("answer", "none" if math.isnan(answer) else f"{answer:.10g}")
    conversion = parse_question(question)
    if conversion is None:
        _say("pint", "cannot tell which conversion the question asks for")
        return
    truth = conversion.answer
    grade = "right" if is_correct(answer, truth) else "wrong"
    _say("pint", f"{truth:.10g} ({grade}, at 5 % tolerance)")


@app.command()
def evaluate(
    data: Data = None,
    split: Split = None,
    model: Model = "course",
    adapter: Adapter = None,
    prompt: Prompt = None,
    limit: Limit = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Questions decoded together.")
    ] = 64,
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
            show_default="0.8",
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
    with clear_errors():
        name, questions = _chosen(data, split, limit)
        if json_file is not None:
            _check_writable(json_file)
        if temperature is not None and samples is None:
            raise ValueError("--temperature needs --samples")
        if samples is not None:
            llm = _load(model, adapter, prompt, device, dtype)
            warm = 0.8 if temperature is None else temperature
            settings = samples, warm, batch_size
            _evaluate_samples(llm, name, questions, *settings, json_file)
            return
        from unitconv.evaluation import evaluate as run
        from unitconv.files import write_json

        llm = _load(model, adapter, prompt, device, dtype)
        with _progress() as bar:
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
                _print(err, f"written: {json_file}")
        finally:  # on a full disk the numbers are still to be seen
            _show_report(report)


def _chosen(
    data: Path | None, split: str | None, limit: int | None
) -> tuple[str, list[Question]]:
    """The questions a command was asked for, and what to call them."""
    if data and split:
        raise ValueError("give --data or --split, not both")
    name = str(data) if data else split or "test"
    return name, _questions(data, name)[:limit]


def _evaluate_samples(
    llm: LLM,
    name: str,
    questions: list[Question],
    samples: int,
    temperature: float,
    batch_size: int,
    json_file: Path | None,
) -> None:
    from unitconv.decoding import Decoding
    from unitconv.evaluation import evaluate_samples
    from unitconv.files import write_json

    with _progress() as bar:
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
    _say("data", f"{name}, n = {len(questions)}")
    _say("samples", f"{samples} each, at temperature {temperature:g}")
    _show_rates(found.rates())
    if json_file is not None:
        write_json(found.to_json(), json_file)


def _show_rates(rates: dict[str, Rate]) -> None:
    table = Table()
    for column in ("", "rate", "95 % interval", "of"):
        table.add_column(column, justify="right" if column else "left")
    for name, rate in rates.items():
        table.add_row(name, *_cells(rate))
    out.print(table)


def _questions(data: Path | None, split: str) -> list[Question]:
    from unitconv.questions import load_split, read_questions

    return read_questions(data) if data else load_split(split)


def _check_writable(path: Path) -> None:
    """Better to say so now than after ten minutes of work."""
    if path.is_dir():
        raise ValueError(f"--json {path} is a folder: name a file in it")
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"--json {path}: the folder {path.absolute().parent} does not "
            "exist, create it first"
        )


def _show_report(report: Report) -> None:
    _say("data", f"{report.run['data']}, n = {len(report.rows)}")
    table = Table()
    for column in ("", "rate", "95 % interval", "of"):
        table.add_column(column, justify="right" if column else "left")
    for name, rate in report.rates().items():
        table.add_row(name.replace("_", " "), *_cells(rate))
    table.add_section()
    for group in (report.by_family, report.by_quantity):
        for kind, rate in group.items():
            table.add_row(f"accuracy, {kind}", *_cells(rate))
        table.add_section()
    out.print(table)
    wrong = [f"{name} {n}" for name, n in report.failures.items() if n]
    _say("wrong", ", ".join(wrong) or "none")
    _say(
        "speed",
        f"{report.tokens_per_second:.0f} tokens/s, {report.seconds:.1f} s",
    )


def _cells(rate: Rate) -> tuple[str, str, str]:
    if rate.n == 0:
        return "-", "-", "0"
    low, high = rate.ci95
    return f"{rate.value:.3f}", f"{low:.3f} - {high:.3f}", str(rate.n)


@app.command()
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
    with clear_errors():
        name, questions = _chosen(data, split, limit)
        _check_writable(json_file)
        from unitconv.behaviour import measure as run
        from unitconv.files import write_json

        llm = _load(model, None, "cot", device, dtype)
        with _progress() as bar:
            task = bar.add_task("", total=None)
            found = run(
                llm,
                questions,
                sampled,
                wrapped,
                say=lambda stage: bar.update(task, description=stage),
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


app.command()(clear_errors()(pretraining.pretrain))
app.command()(clear_errors()(pretraining.corpus))


@app.command()
def info(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line.")
    ] = False,
) -> None:
    """What is installed, what it would run on, and what is shipped."""
    with clear_errors():
        facts = _facts()
        if as_json:
            _print(out, json.dumps(facts))
            return
        for name, value in facts.items():
            _print(out, f"{name.replace('_', ' '):>19}  {value}")


def _facts() -> dict[str, str | int]:
    import platform

    import torch
    import transformers

    from unitconv import __version__
    from unitconv.evaluation import machine
    from unitconv.model import COURSE_MODEL, pick_device, pick_dtype
    from unitconv.questions import SPLITS, load_split

    device = pick_device()
    size = sum(f.stat().st_size for f in COURSE_MODEL.iterdir())
    facts: dict[str, str | int] = {
        "unitconv": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": machine(),
        "device": str(device),
        "dtype": str(pick_dtype(device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "course_model": f"{size / 1e6:.1f} MB",
    }
    for split in SPLITS:
        facts[f"{split}_questions"] = len(load_split(split))
    return facts


if __name__ == "__main__":
    app()
