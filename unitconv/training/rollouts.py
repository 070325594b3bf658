"""Sample many completions a question, grade them, and record them all.

A completion is kept for training only if its answer is right and its
reasoning passes the audit. The JSONL file holds all, one question a line. A
run that was killed continues after its last complete chunk, and several
processes write a shard each: the bytes are those of one uninterrupted run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter

from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.common.files import json_lines
from unitconv.common.files.lock_file import locked
from unitconv.common.io import digest, write_bytes
from unitconv.evaluation.grade import Graded, grade
from unitconv.grading.answer import is_correct
from unitconv.grading.audit import FAULTS
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.reference import BATCH_SIZE, Decoding
from unitconv.task.dataset import Question
from unitconv.training.config import SAMPLES, TEMPERATURE

CHUNK_SIZE = 64  #: questions decoded, graded and written together
#: Largest relative error of a kept answer. The grader's 5 % would let
#: in other units: the UK ounce is 4 % smaller than the US one.
KEEP_TOLERANCE = 0.01
REJECTION_REASONS = (
    "no answer",
    "wrong answer",
    "near miss",  # right for the grader, not within KEEP_TOLERANCE
    *FAULTS,
)


class RolloutError(UnitconvError):
    """Raised for a rollout file that cannot be read or continued."""


@dataclass(frozen=True)
class RolloutSettings:
    """Sampling settings; raises `UnitconvError` if one is out of range."""

    num_return_sequences: int = SAMPLES
    temperature: float = TEMPERATURE
    top_p: float = 1.0
    seed: int = 0
    max_new_tokens: int = Decoding.max_new_tokens
    tolerance: float = KEEP_TOLERANCE

    def __post_init__(self) -> None:
        if self.num_return_sequences < 1:
            raise RolloutError("num_return_sequences must be at least 1")
        if not 0 < self.tolerance < 1:
            raise RolloutError("tolerance must be between 0 and 1")
        _ = self.decoding  # checks the rest

    @property
    def decoding(self) -> Decoding:
        """Settings that the decoder needs."""
        return Decoding(
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Rollout:
    """One completion; `reason` is None if it is kept for training."""

    text: str
    n_tokens: int
    finished: bool
    answer: FiniteFloat | None
    reason: str | None


@dataclass(frozen=True)
class RolloutRecord:
    """All rollouts of one question."""

    question: str
    answer: FiniteFloat
    family: str
    rollouts: list[Rollout]

    @property
    def kept(self) -> list[Rollout]:
        """Rollouts that were not rejected, in sampling order."""
        return [r for r in self.rollouts if r.reason is None]


_RECORD = TypeAdapter(RolloutRecord)
_HEADER = TypeAdapter(dict[str, Any])


def rejection_reason(
    graded: Graded, tolerance: float = KEEP_TOLERANCE
) -> str | None:
    """Return why a completion is rejected, or None if it is kept."""
    if not graded.answered:
        return "no answer"
    if not graded.correct:
        return "wrong answer"
    if not is_correct(graded.answer, graded.truth, tolerance):
        return "near miss"
    return graded.fault


def grade_completions(
    question: Question,
    completions: Sequence[Generation],
    tolerance: float = KEEP_TOLERANCE,
    task: Task = UNIT_CONVERSION,
) -> RolloutRecord:
    """Grade all completions of one question."""
    graded = [grade(question, c, task) for c in completions]
    rollouts = [
        Rollout(
            text=g.text,
            n_tokens=g.n_tokens,
            finished=g.finished,
            answer=g.answer if g.answered else None,
            reason=rejection_reason(g, tolerance),
        )
        for g in graded
    ]
    family = graded[0].family
    return RolloutRecord(question.text, question.answer, family, rollouts)


def sample_rollouts(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    path: Path,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] = lambda done: None,
) -> list[RolloutRecord]:
    """Sample completions of every question into the JSONL file `path`.

    If `path` exists, the run continues after its last complete chunk.
    Processes started by `accelerate launch` share the chunks. `progress`
    is called with the number of questions already in this process' file,
    then with the length of each chunk.

    Raises:
        RolloutError: `path` belongs to a run with other settings, is not
            a rollout file, or was changed.
        LockError: another process writes it.
    """
    rank, count = distributed.rank(), distributed.world_size()
    if count == 1:
        _sample(llm, questions, settings, path, batch_size, progress)
        return read_rollouts(path)
    header = _header(llm, questions, settings)
    if not path.exists():
        n_chunks = math.ceil(len(questions) / CHUNK_SIZE)
        share = math.ceil(n_chunks / count) * CHUNK_SIZE
        mine = questions[rank * share : (rank + 1) * share]
        shard = shard_path(path, rank, count)
        _sample(llm, mine, settings, shard, batch_size, progress)
        distributed.barrier()
        if distributed.is_main_process():
            shards = [shard_path(path, i, count) for i in range(count)]
            bodies = [s.read_bytes().partition(b"\n")[2] for s in shards]
            write_bytes(json_lines.to_line(header) + b"".join(bodies), path)
            for shard in shards:
                shard.unlink()
        distributed.barrier()
    elif _whole_chunks(path, header, questions)[0] < len(questions):
        raise RolloutError(
            f"{path} was begun by one process: let one go on with it"
        )
    return read_rollouts(path)


def _sample(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    path: Path,
    batch_size: int,
    progress: Callable[[int], None],
) -> None:
    """Sample `questions` into `path`, from the first missing chunk on."""
    with locked(path):
        header = _header(llm, questions, settings)
        done = _begin_or_resume(path, header, questions)
        progress(done)
        for start in range(done, len(questions), CHUNK_SIZE):
            chunk = questions[start : start + CHUNK_SIZE]
            completions = llm.complete(
                [llm.format_prompt(question.text) for question in chunk],
                num_return_sequences=settings.num_return_sequences,
                settings=settings.decoding,
                batch_size=batch_size,
            )
            records = [
                grade_completions(q, row, settings.tolerance, llm.task)
                for q, row in zip(chunk, completions, strict=True)
            ]
            json_lines.append_lines(path, records)
            progress(len(chunk))


def _header(
    llm: LLM, questions: Sequence[Question], settings: RolloutSettings
) -> dict[str, Any]:
    """Build a file's first line: what a resumed run must share."""
    return {
        **llm.task.entry,
        "model": llm.name,
        "adapter": llm.adapter,
        "prompt": llm.style,
        "dtype": str(llm.dtype).removeprefix("torch."),
        "settings": asdict(settings),
        "questions": len(questions),
        "digest": digest([(q.text, q.answer) for q in questions]),
    }


def _begin_or_resume(
    path: Path, header: dict[str, Any], questions: Sequence[Question]
) -> int:
    """Count the questions of `path`; cut off what follows whole chunks."""
    if not path.exists() or not path.stat().st_size:
        write_bytes(json_lines.to_line(header), path)
        return 0
    done, texts = _whole_chunks(path, header, questions)
    # A line of an older version gets its checksum here.
    write_bytes(b"".join(map(json_lines.add_checksum, texts)), path)
    return done


def _whole_chunks(
    path: Path, header: dict[str, Any], questions: Sequence[Question]
) -> tuple[int, list[bytes]]:
    """Return the number of questions in whole chunks, and their lines.

    Raises:
        RolloutError: `path` is no record of these questions.
    """
    # A kill may have left a partial line behind the last line end.
    *lines, _ = path.read_bytes().split(b"\n")
    if not lines:
        raise RolloutError(f"{path}, line 1: no valid record; move it away")
    texts = json_lines.check_lines(lines, path, RolloutError)
    [existing] = json_lines.parse_lines(
        texts[:1], _HEADER, path, RolloutError
    )
    changed = sorted(
        k for k in header | existing if header.get(k) != existing.get(k)
    )
    if changed:
        raise RolloutError(
            f"{path} was begun with other settings ({', '.join(changed)}): "
            "give the same ones, or another output"
        )
    records = json_lines.parse_lines(
        texts, _RECORD, path, RolloutError, first=2
    )
    for number, record in enumerate(records):
        asked = [*questions[number : number + 1]]
        if [Question(record.question, record.answer)] != asked:
            raise RolloutError(
                f"{path}, line {number + 2}: no valid record (of another "
                "question than this run asks): move it away"
            )
    done = len(records)
    if done < len(questions):
        done -= done % CHUNK_SIZE
    return done, texts[: done + 1]


def read_rollouts(path: Path) -> list[RolloutRecord]:
    """Read the JSONL file of `sample_rollouts`, also packed as `.gz`.

    Raises:
        RolloutError: the file cannot be read, or a line is not a record or
            was changed; the message says which.
    """
    return json_lines.read_lines(path, _RECORD, RolloutError, first=2)


def shard_path(path: Path, rank: int, world_size: int) -> Path:
    """Return the file that one of several processes writes."""
    return path.with_name(f"{path.name}.{rank + 1}-of-{world_size}")
