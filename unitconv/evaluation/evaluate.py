"""Evaluation of a model: ask questions, grade the replies, report.

Questions are asked in chunks, so that a run takes as much memory for many
questions as for few, and a run that was killed loses one chunk at most.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from unitconv.common import distributed
from unitconv.common.files.chunk_log import ChunkLog, Parts
from unitconv.common.files.shards import write_shared
from unitconv.common.io import digest
from unitconv.common.run_metadata import run_metadata
from unitconv.evaluation.grade import Graded, grade
from unitconv.evaluation.report import EvaluationError, Report, Samples
from unitconv.inference.llm import LLM
from unitconv.inference.reference import BATCH_SIZE, GREEDY, Decoding
from unitconv.task.dataset import Question

CHUNK_SIZE = 256  #: questions decoded, graded and written together


@dataclass(frozen=True)
class EvaluationOptions:
    """Settings that change how a run goes, not its replies."""

    batch_size: int = BATCH_SIZE  #: sequences decoded together
    #: Called with the number of questions just finished.
    progress: Callable[[int], None] | None = None
    #: File for the replies, with which a killed run goes on, and in which
    #: several processes share the work. None keeps them in memory, and
    #: every process asks all questions.
    log: Path | None = None


DEFAULT_OPTIONS = EvaluationOptions()


@dataclass(frozen=True)
class Asked:
    """A question's graded replies, and its share of their chunk's time."""

    replies: list[Graded]
    seconds: float

    @property
    def reply(self) -> Graded:
        """The first reply."""
        return self.replies[0]

    def to_json(self) -> dict[str, Any]:
        """Convert to plain data."""
        replies = [graded.to_json() for graded in self.replies]
        return {"replies": replies, "seconds": self.seconds}


_ASKED = TypeAdapter(Asked)


def evaluate(
    llm: LLM,
    questions: Sequence[Question],
    settings: Decoding = GREEDY,
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> Report:
    """Ask every question once, and grade the replies.

    Args:
        llm: the model, with its prompt style.
        questions: with the answers to grade against.
        settings: greedy by default.
        options: batch size, progress, and a file for the replies.

    Raises:
        ContextError: a prompt is longer than the context.
        EvaluationError: no questions, or the log of another run.
    """
    asked = _ask(llm, questions, 1, settings, options)
    return Report(
        rows=_parts(asked, "reply"),
        seconds=_seconds(asked),
        run=_describe(llm, settings, options),
    )


def evaluate_samples(
    llm: LLM,
    questions: Sequence[Question],
    num_return_sequences: int,
    settings: Decoding,
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> Samples:
    """Ask every question several times, and grade the replies.

    Raises:
        ContextError: a prompt is longer than the context.
        EvaluationError: no questions, or the log of another run.
    """
    n = num_return_sequences
    asked = _ask(llm, questions, n, settings, options)
    run = _describe(llm, settings, options)
    return Samples(
        rows=_parts(asked, "replies"),
        seconds=_seconds(asked),
        run=run | {"num_return_sequences": n},
        is_right=llm.task.is_right,
    )


def _ask(
    llm: LLM,
    questions: Sequence[Question],
    num_return_sequences: int,
    settings: Decoding,
    options: EvaluationOptions,
) -> list[Asked] | ChunkLog[Asked]:
    """Ask all questions; with a log, those that it lacks."""
    if not questions:
        raise EvaluationError("there are no questions to evaluate on")
    n = num_return_sequences
    for start, chunk in _chunks(questions):  # refused before any is decoded
        llm.encode_all(_prompts(llm, chunk), first=start + 1)
    if options.log is None:
        return [
            asked
            for _, chunk in _chunks(questions)
            for asked in _ask_chunk(llm, chunk, n, settings, options)
        ]

    def write(part: Path, mine: slice) -> None:
        own = replace(options, log=part)
        _record(llm, questions[mine], n, settings, own)

    log = ChunkLog(options.log, _ASKED, EvaluationError)
    write_shared(
        log,
        header=_header(llm, questions, n, settings),
        is_own=_asks(questions),
        total=len(questions),
        chunk_size=CHUNK_SIZE,
        write=write,
    )
    return log


def _record(
    llm: LLM,
    questions: Sequence[Question],
    num_return_sequences: int,
    settings: Decoding,
    options: EvaluationOptions,
) -> None:
    """Ask questions, from the first chunk on that the log lacks."""
    assert options.log is not None
    n = num_return_sequences
    log = ChunkLog(options.log, _ASKED, EvaluationError)
    header = _header(llm, questions, n, settings)
    done = log.begin(header, _asks(questions), len(questions), CHUNK_SIZE)
    if done and options.progress:
        options.progress(done)
    for _, chunk in _chunks(questions[done:]):
        asked = _ask_chunk(llm, chunk, n, settings, options)
        log.extend(one.to_json() for one in asked)


def _chunks(
    questions: Sequence[Question],
) -> Iterator[tuple[int, Sequence[Question]]]:
    """Split questions; with the place of each chunk's first."""
    for start in range(0, len(questions), CHUNK_SIZE):
        yield start, questions[start : start + CHUNK_SIZE]


def _ask_chunk(
    llm: LLM,
    questions: Sequence[Question],
    num_return_sequences: int,
    settings: Decoding,
    options: EvaluationOptions,
) -> list[Asked]:
    start = time.perf_counter()
    completions = llm.complete(
        prompts=_prompts(llm, questions),
        num_return_sequences=num_return_sequences,
        settings=settings,
        batch_size=options.batch_size,
        progress=options.progress,
    )
    share = (time.perf_counter() - start) / len(questions)
    return [
        Asked([grade(question, c, llm.task) for c in row], share)
        for question, row in zip(questions, completions, strict=True)
    ]


def _prompts(llm: LLM, questions: Sequence[Question]) -> list[str]:
    return [llm.format_prompt(question.text) for question in questions]


def _seconds(asked: list[Asked] | ChunkLog[Asked]) -> float:
    """Add up the time of all questions; processes share those of a file."""
    shares = distributed.world_size() if isinstance(asked, ChunkLog) else 1
    return sum(_parts(asked, "seconds")) / shares


def _parts(asked: list[Asked] | ChunkLog[Asked], name: str) -> Any:
    """Return an attribute of each; from the file anew at each iteration."""
    if isinstance(asked, list):
        return [getattr(one, name) for one in asked]
    return Parts(asked, attrgetter(name))


def _asks(questions: Sequence[Question]) -> Callable[[int, Asked], bool]:
    """Return a check that a numbered record is of its question."""

    def is_own(number: int, asked: Asked) -> bool:
        pairs = {Question(row.question, row.truth) for row in asked.replies}
        return pairs == {*questions[number : number + 1]}

    return is_own


def _header(
    llm: LLM,
    questions: Sequence[Question],
    num_return_sequences: int,
    settings: Decoding,
) -> dict[str, Any]:
    """Build the first line of a log: what a resumed run must share."""
    crc = 0
    for weights in llm.model.parameters():
        numbers = weights.detach().cpu().flatten().view(torch.uint8)
        crc = zlib.crc32(numbers.numpy().data, crc)
    return {
        **_model(llm),
        "weights": f"{crc:08x}",  # an adapter may be trained again
        "decoding": asdict(settings),
        "num_return_sequences": num_return_sequences,
        "questions": len(questions),
        "digest": digest([(q.text, q.answer) for q in questions]),
    }


def _model(llm: LLM) -> dict[str, Any]:
    return {
        "model": llm.name,
        "adapter": llm.adapter,
        "prompt": llm.style,
        "device": str(llm.device),
        "dtype": str(llm.dtype).removeprefix("torch."),
        **llm.task.entry,
    }


def _describe(
    llm: LLM, settings: Decoding, options: EvaluationOptions
) -> dict[str, Any]:
    return {
        **_model(llm),
        "decoding": asdict(settings),
        "batch_size": options.batch_size,
        **run_metadata(),
    }
