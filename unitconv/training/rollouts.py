"""Sample many completions a question, grade them, and record them all.

A completion is kept for training only if its answer is right and its
reasoning passes the audit. The JSONL file holds all, one question a line. A
run that was killed continues after its last complete chunk, and several
processes write a shard each: the bytes are those of one uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter

from unitconv.common.errors import UnitconvError
from unitconv.common.files.chunk_log import ChunkLog
from unitconv.common.files.lock_file import locked
from unitconv.common.files.shards import write_shared
from unitconv.common.io import digest
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
    """Call `record_rollouts`, and read the records from its file."""
    record_rollouts(llm, questions, settings, path, batch_size, progress)
    return read_rollouts(path)


def record_rollouts(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    path: Path,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
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

    def write(part: Path, mine: slice) -> None:
        _sample(llm, questions[mine], settings, part, batch_size, progress)

    write_shared(
        ChunkLog(path, _RECORD, RolloutError),
        header=_header(llm, questions, settings),
        is_own=_asks(questions),
        total=len(questions),
        chunk_size=CHUNK_SIZE,
        write=write,
    )


def _sample(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    path: Path,
    batch_size: int,
    progress: Callable[[int], None],
) -> None:
    """Sample `questions` into `path`, from the first missing chunk on."""
    log = ChunkLog(path, _RECORD, RolloutError)
    with locked(path):
        done = log.begin(
            _header(llm, questions, settings),
            _asks(questions),
            len(questions),
            CHUNK_SIZE,
        )
        progress(done)
        for start in range(done, len(questions), CHUNK_SIZE):
            chunk = questions[start : start + CHUNK_SIZE]
            completions = llm.complete(
                [llm.format_prompt(question.text) for question in chunk],
                num_return_sequences=settings.num_return_sequences,
                settings=settings.decoding,
                batch_size=batch_size,
            )
            log.extend(
                asdict(
                    grade_completions(q, row, settings.tolerance, llm.task)
                )
                for q, row in zip(chunk, completions, strict=True)
            )
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


def _asks(
    questions: Sequence[Question],
) -> Callable[[int, RolloutRecord], bool]:
    """Return a check that a numbered record is of its question."""

    def is_own(number: int, record: RolloutRecord) -> bool:
        asked = questions[number : number + 1]
        return [Question(record.question, record.answer)] == [*asked]

    return is_own


def iter_rollouts(path: Path) -> Iterator[RolloutRecord]:
    """Read the JSONL file of `sample_rollouts`, also packed as `.gz`.

    Raises:
        RolloutError: the file cannot be read, or a line is not a record or
            was changed; the message says which.
    """
    return iter(ChunkLog(path, _RECORD, RolloutError))


def read_rollouts(path: Path) -> list[RolloutRecord]:
    """Return all that `iter_rollouts` reads."""
    return list(iter_rollouts(path))
