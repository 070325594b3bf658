"""Commands `evaluate` and `measure`: grade a model on questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from unitconv.cli import console, options
from unitconv.cli.console import write_field, write_rates
from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.task.dataset import DEFAULT_TASK
from unitconv.training.config import TEMPERATURE

if TYPE_CHECKING:
    from unitconv.evaluation.report import Report, Samples

# Questions with other answer formats, and with misspelled units.
N_WRAPPED = 200
# Rates that `measure` prints, and their columns.
MEASURED = {
    "accuracy": "accuracy",
    "answer_rate": "answered",
    "reasoning_validity": "valid",
    "imitated": "imitated",
    "at_least_one_right_and_audited": "one right",
}

NumSamples = Annotated[
    int | None,
    Option(
        min=2,
        help="Sample this many completions per question, and report how "
        "often at least one is right.",
    ),
]

Tolerance = Annotated[
    float | None,
    Option(
        min=0.0,
        help="How far a right answer may be from the truth, as a share.",
        show_default="that of the task: 0.05",
    ),
]


def evaluate(
    data: options.Data = None,
    split: options.Split = None,
    model: options.Model = "course",
    adapter: options.Adapter = None,
    prompt: options.Prompt = None,
    limit: options.Limit = None,
    batch_size: options.DecodingBatch = None,
    samples: NumSamples = None,
    temperature: options.Temperature = TEMPERATURE,
    json_file: options.JsonReport = None,
    task: options.TaskName = DEFAULT_TASK,
    tolerance: Tolerance = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Evaluate a model on questions, with 95 % confidence intervals.

    A run with --json that was stopped continues when the same command is
    given again. Processes that `accelerate launch` starts share the
    questions; that needs --json too.
    """
    name, questions = options.choose_questions(data, split, limit, task)
    options.check_writable(json_file)
    _check_processes(json_file)
    from unitconv.evaluation import evaluate as evaluation
    from unitconv.grading.answer import is_correct
    from unitconv.inference.reference import BATCH_SIZE, Decoding

    distributed.barrier()
    llm = options.load_llm(model, adapter, prompt, device, dtype, task)
    if tolerance is not None:
        is_right = partial(is_correct, tolerance=tolerance)
        llm.task = replace(llm.task, is_right=is_right)
    run: Callable[..., Report | Samples] = evaluation.evaluate
    if samples is not None:
        run = partial(
            evaluation.evaluate_samples,
            num_return_sequences=samples,
            settings=Decoding(temperature=temperature),
        )
    with _replies_file(json_file) as log:
        with console.progress_bar("evaluating", len(questions)) as update:
            how = evaluation.EvaluationOptions(
                batch_size=batch_size or BATCH_SIZE,
                progress=lambda done: update(advance=done),
                # A log does not say which tolerance it was graded with.
                log=log if tolerance is None else None,
            )
            report = run(llm=llm, questions=questions, options=how)
        distributed.barrier()  # all have read the replies
        if not distributed.is_main_process():
            return
        given = {} if tolerance is None else {"tolerance": tolerance}
        report.run.update(data=name, **given)
        try:
            if json_file is not None:
                _write_json(report, json_file)
        finally:  # on a full disk the numbers are still to be seen
            _write_report(report)


def _check_processes(json_file: Path | None) -> None:
    if json_file is None and distributed.world_size() > 1:
        raise UnitconvError(
            "several processes join their replies: give --json"
        )


@contextmanager
def _replies_file(json_file: Path | None) -> Iterator[Path]:
    """Yield a file for the replies, and remove it when all is done.

    It is beside the report, where a killed run finds it again. Without a
    report, or where that is a pipe, it is a temporary file.
    """
    from unitconv.common.files.lock_file import locked

    if json_file is None or (
        json_file.exists() and not json_file.is_file()
    ):
        with TemporaryDirectory() as folder:
            yield Path(folder) / "replies.jsonl"
        return
    log = json_file.with_name(f"{json_file.name}.unfinished")
    if not distributed.is_main_process():
        yield log
        return
    with locked(json_file):
        yield log
        log.unlink(missing_ok=True)


def _write_json(report: Report | Samples, path: Path) -> None:
    from unitconv.common.io import write_json, write_parts
    from unitconv.evaluation.report import Samples

    if isinstance(report, Samples):
        write_json(report.to_json(), path)
    else:
        write_parts(report.json_parts(), path)
    console.write(f"written: {path}", console.err)


def _write_report(report: Report | Samples) -> None:
    from unitconv.evaluation.report import Samples

    write_field("data", f"{report.run['data']}, n = {len(report.rows)}")
    if isinstance(report, Samples):
        write_field(
            "samples",
            f"{report.run['num_return_sequences']} each, at temperature "
            f"{report.run['decoding']['temperature']:g}",
        )
        write_rates("", report.rates())
        return
    rates = {k.replace("_", " "): v for k, v in report.rates().items()}
    write_rates("", rates)
    if "task" not in report.run:
        low, high = report.accuracy_clustered_ci95
        write_field(
            "cluster", f"accuracy {low:.3f} - {high:.3f}, by pair of units"
        )
    write_rates("accuracy by family", report.by_family)
    if "task" not in report.run:
        write_rates("accuracy by quantity", report.by_quantity)
    wrong = [f"{name} {n}" for name, n in report.failures.items() if n]
    write_field("wrong", ", ".join(wrong) or "none")
    write_field(
        "speed",
        f"{report.tokens_per_second:.0f} tokens/s, {report.seconds:.1f} s",
    )


def measure(
    json_file: Annotated[Path, Argument(help="JSON file to write.")],
    data: options.Data = None,
    split: options.Split = None,
    model: options.Model = "course",
    limit: options.Limit = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Evaluate a base model with every prompt style, and by sampling.

    Also measures how often it imitates the answer format of the worked
    example, and its accuracy on misspelled units.
    """
    name, questions = options.choose_questions(data, split, limit)
    options.check_writable(json_file)
    from unitconv.common.io import write_json
    from unitconv.evaluation.prompt_probe import (
        ProbeSettings,
        probe_prompts,
    )

    llm = options.load_llm(model, None, None, device, dtype)
    with console.progress_bar("") as update:
        reports = probe_prompts(
            llm,
            questions,
            ProbeSettings(n_wrapped=N_WRAPPED),
            progress=lambda part: update(description=part),
        )
    write_json({"data": name} | reports, json_file)
    rows = []
    for name, report in reports.items():
        values = [report.get(rate) for rate in MEASURED]
        cells = ["" if v is None else f"{v:.3f}" for v in values]
        rows.append((name, str(report["n"]), *cells))
    console.write_table(("", "of", *MEASURED.values()), rows)
