"""Rejection sampling: many replies to a question, of which the right stay.

Yuan et al. 2023, arXiv:2308.01825: sample N completions a question, keep
those that are right, take k different ways to reach the answer, and train
on them. Here a completion is kept only if its facts and arithmetic pass
the audit as well: an answer inside the tolerance may rest on a wrong
product, and a model trained on it learns the product. For the same reason
its answer must be nearer the truth than a grader asks: 4 % off is the UK
ounce, and every fact about it is true.

Every rollout is written down, kept or not and why, in a JSONL file that
grows batch by batch. A run that was killed goes on where that file ends,
and ends with the same bytes as a run that was not. Several processes
write a file each, which are merged to the bytes that one would write.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.common.io import write_text
from unitconv.evaluation.grade import Graded, grade
from unitconv.grading.answer import is_correct
from unitconv.inference.llm import LLM
from unitconv.inference.reference import BATCH_SIZE, Decoding
from unitconv.task.dataset import Question
from unitconv.training.config import SAMPLES, TEMPERATURE

CHUNK = 64  #: questions decoded, graded and written together
#: How far a kept answer may be from the truth, as a share of it.
TOLERANCE = 0.01
#: Why a completion is not kept.
REASONS = (
    "no answer",
    "wrong answer",
    "near miss",
    "false statement",
    "no reasoning",
)


class RolloutError(UnitconvError):
    """A record that cannot be gone on with: other settings, broken file."""


@dataclass(frozen=True)
class RolloutSettings:
    """What decides the rollouts; a record resumes under the same only."""

    num_return_sequences: int = SAMPLES
    temperature: float = TEMPERATURE
    top_p: float = 1.0
    seed: int = 0
    max_new_tokens: int = 96
    tolerance: float = TOLERANCE

    @property
    def decoding(self) -> Decoding:
        """What of this the decoder needs."""
        return Decoding(
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            max_new_tokens=self.max_new_tokens,
        )


@dataclass(frozen=True)
class Rollout:
    """One completion and what became of it; `reason` None means kept."""

    text: str
    n_tokens: int
    finished: bool
    answer: float | None
    reason: str | None


@dataclass(frozen=True)
class Record:
    """All rollouts of one question."""

    question: str
    answer: float
    family: str
    rollouts: list[Rollout]

    @property
    def kept(self) -> list[Rollout]:
        """The rollouts that were not rejected, in the order sampled."""
        return [r for r in self.rollouts if r.reason is None]


def judge(graded: Graded, tolerance: float = TOLERANCE) -> str | None:
    """Why a completion is rejected; None if it may be learned from."""
    if not graded.answered:
        return "no answer"
    if not graded.correct:
        return "wrong answer"
    if not is_correct(graded.answer, graded.truth, tolerance):
        return "near miss"
    if graded.reasoning_ok is None:
        return "no reasoning"
    return None if graded.reasoning_ok else "false statement"


def to_record(
    question: Question,
    graded: Sequence[Graded],
    tolerance: float = TOLERANCE,
) -> Record:
    """Judge all completions of one question."""
    rollouts = [
        Rollout(
            g.text,
            g.n_tokens,
            g.finished,
            g.answer if g.answered else None,
            judge(g, tolerance),
        )
        for g in graded
    ]
    return Record(
        question.text, question.answer, graded[0].family, rollouts
    )


# ------------------------------------------------------------- the record


def header(
    llm: LLM, questions: Sequence[Question], settings: RolloutSettings
) -> dict[str, Any]:
    """The first line of a record: what has to be equal to resume it."""
    asked = json.dumps([[q.text, q.answer] for q in questions])
    return {
        "model": llm.name,
        "adapter": llm.adapter,
        "prompt": llm.style,
        "dtype": str(llm.dtype).removeprefix("torch."),
        "settings": asdict(settings),
        "questions": len(questions),
        "digest": hashlib.blake2b(
            asked.encode(), digest_size=8
        ).hexdigest(),
    }


def resume_point(path: Path, wanted: dict[str, Any], total: int) -> int:
    """How many questions of `path` are done; what follows is cut off.

    Args:
        wanted: the header that the file must have.
        total: how many questions the finished file holds.

    Raises:
        RolloutError: the record was begun with other settings.
    """
    lines = path.read_bytes().split(b"\n")
    try:
        found = json.loads(lines[0])
    except ValueError as error:
        raise RolloutError(
            f"{path}, line 1: no record of rollouts; move it away"
        ) from error
    changed = sorted(
        k for k in {*wanted, *found} if found.get(k) != wanted.get(k)
    )
    if changed:
        raise RolloutError(
            f"{path} was begun with other settings ({', '.join(changed)}): "
            "give the same ones, or another output"
        )
    # The piece after the last line end is what a kill left half-written.
    written = len(lines) - 2
    whole = written if written == total else written - written % CHUNK
    keep = sum(len(line) + 1 for line in lines[: whole + 1])
    with path.open("r+b") as file:
        file.truncate(keep)
    return whole


def sample_rollouts(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    path: Path,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Record]:
    """Sample every question, through `path`; return all records.

    If `path` exists the run goes on behind its last whole chunk. Where
    several processes were started, they share the work.

    Args:
        progress: called with the number of questions just finished, by
            this process.

    Raises:
        RolloutError: `path` belongs to another run.
    """
    run = llm, questions, settings
    shard = distributed.rank(), distributed.world_size()
    if shard[1] == 1:
        sample_shard(*run, path, batch_size, progress)
    elif not _is_finished(path, header(*run)):
        sample_shard(*run, path, batch_size, progress, shard)
        distributed.barrier()
        if distributed.is_main_process():
            merge_shards(path, shard[1])
        distributed.barrier()
    return read_records(path)


def _is_finished(path: Path, wanted: dict[str, Any]) -> bool:
    """Whether an earlier run of several processes has come to its end."""
    if not path.exists():
        return False
    total = wanted["questions"]
    if resume_point(path, wanted, total) < total:
        raise RolloutError(
            f"{path} was begun by one process: let one go on with it"
        )
    return True


def sample_shard(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    path: Path,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] = lambda done: None,
    shard: tuple[int, int] = (0, 1),
) -> None:
    """The part of one process: all of it, or every n-th chunk.

    Args:
        shard: (i, n) for the i-th of n processes, which writes its part
            into `shard_path`, for `merge_shards`.
    """
    first, mine = header(llm, questions, settings), list(questions)
    if shard[1] > 1:
        path, first = shard_path(path, shard), first | {"shard": shard[0]}
        starts = range(shard[0] * CHUNK, len(mine), shard[1] * CHUNK)
        mine = [q for start in starts for q in mine[start : start + CHUNK]]
    done = 0
    if path.exists() and path.stat().st_size:
        done = resume_point(path, first, len(mine))
        progress(done)
    else:
        write_text(_line(first), path)
    for start in range(done, len(mine), CHUNK):
        chunk = mine[start : start + CHUNK]
        records = _roll(llm, chunk, settings, batch_size)
        _append(path, "".join(_line(asdict(r)) for r in records))
        progress(len(chunk))


def shard_path(path: Path, shard: tuple[int, int]) -> Path:
    """Where the i-th of n processes writes its part of `path`."""
    return path.with_name(f"{path.name}.{shard[0] + 1}-of-{shard[1]}")


def merge_shards(path: Path, count: int) -> None:
    """Make `path` of the finished parts of `count` processes.

    Raises:
        RolloutError: a part is of another run, or not finished.
    """
    parts = [shard_path(path, (i, count)) for i in range(count)]
    texts = [part.read_text(encoding="utf-8") for part in parts]
    lines = [text.splitlines(keepends=True) for text in texts]
    heads = [json.loads(part[0]) for part in lines]
    shards = [head.pop("shard") for head in heads]
    bodies = [iter(part[1:]) for part in lines]
    merged = []
    for chunk in range(math.ceil(heads[0]["questions"] / CHUNK)):
        merged += list(islice(bodies[chunk % count], CHUNK))
    if (
        any(head != heads[0] for head in heads)
        or shards != list(range(count))
        or len(merged) != heads[0]["questions"]
    ):
        raise RolloutError(
            f"{', '.join(map(str, parts))}: not the finished parts of one "
            "run; run the same command again"
        )
    write_text(_line(heads[0]) + "".join(merged), path)
    for part in parts:
        part.unlink()


def _roll(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    batch_size: int,
) -> list[Record]:
    prompts = [llm.format_prompt(question.text) for question in questions]
    completions = llm.complete(
        prompts,
        settings.num_return_sequences,
        settings.decoding,
        batch_size,
    )
    return [
        to_record(
            question,
            [grade(question, g) for g in generations],
            settings.tolerance,
        )
        for question, generations in zip(
            questions, completions, strict=True
        )
    ]


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=False) + "\n"


def _append(path: Path, text: str) -> None:
    """Add lines so that they are on the disk before anything goes on."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_records(path: Path) -> list[Record]:
    """The records of a finished or unfinished run.

    Args:
        path: what `sample_rollouts` wrote, as it is or packed by gzip.

    Raises:
        RolloutError: a line is no record; says which.
    """
    return list(_read(path))


def _read(path: Path) -> Iterator[Record]:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    lines = data.decode().splitlines()[1:]
    for number, line in enumerate(lines, start=2):
        try:
            stored = json.loads(line)
            rollouts = [Rollout(**r) for r in stored.pop("rollouts")]
            yield Record(**stored, rollouts=rollouts)
        except (ValueError, TypeError, KeyError) as error:
            raise RolloutError(
                f"{path}, line {number}: no record of rollouts ({error})"
            ) from error
