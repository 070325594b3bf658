"""Evaluation of a model: ask questions, grade the replies, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from unitconv.common.run_metadata import run_metadata
from unitconv.evaluation.grade import grade
from unitconv.evaluation.report import EvaluationError, Report, Samples
from unitconv.inference.llm import LLM
from unitconv.inference.reference import BATCH_SIZE, GREEDY, Decoding
from unitconv.task.dataset import Question


def evaluate(
    llm: LLM,
    questions: Sequence[Question],
    batch_size: int = BATCH_SIZE,
    settings: Decoding = GREEDY,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Ask every question once, and grade the replies.

    Args:
        llm: the model, with its prompt style.
        questions: with the answers to grade against.
        batch_size: questions decoded together; changes the speed alone.
        settings: greedy by default.
        progress: called with the number of questions just finished.

    Raises:
        EvaluationError: no questions.
    """
    samples = evaluate_samples(
        llm=llm,
        questions=questions,
        num_return_sequences=1,
        settings=settings,
        batch_size=batch_size,
        progress=progress,
    )
    del samples.run["num_return_sequences"]
    return Report(
        rows=[row[0] for row in samples.rows],
        seconds=samples.seconds,
        run=samples.run,
    )


def evaluate_samples(
    llm: LLM,
    questions: Sequence[Question],
    num_return_sequences: int,
    settings: Decoding,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
) -> Samples:
    """Ask every question several times, and grade the replies.

    Raises:
        EvaluationError: no questions.
    """
    if not questions:
        raise EvaluationError("there are no questions to evaluate on")
    prompts = [llm.format_prompt(question.text) for question in questions]
    start = time.perf_counter()
    completions = llm.complete(
        prompts=prompts,
        num_return_sequences=num_return_sequences,
        settings=settings,
        batch_size=batch_size,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    rows = [
        [grade(question, generation, llm.task) for generation in row]
        for question, row in zip(questions, completions, strict=True)
    ]
    run = {
        "model": llm.name,
        "adapter": llm.adapter,
        "prompt": llm.style,
        "device": str(llm.device),
        "dtype": str(llm.dtype).removeprefix("torch."),
        "decoding": asdict(settings),
        "batch_size": batch_size,
        **llm.task.entry,
        **run_metadata(),
        "num_return_sequences": num_return_sequences,
    }
    return Samples(rows, seconds, run, llm.task.is_right)
