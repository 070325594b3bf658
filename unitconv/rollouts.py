"""Rejection sampling: many replies to a question, of which the right stay.

Yuan et al. 2023, arXiv:2308.01825: sample N completions a question, keep
those that are right, take k different ways to reach the answer, and train
on them. Here a completion is kept only if its facts and arithmetic pass
the audit as well: an answer inside the tolerance may rest on a wrong
product, and a model trained on it learns the product.

Every rollout is written down, kept or not and why, in a JSONL file that
grows batch by batch. A run that was killed goes on where that file ends,
and ends with the same bytes as a run that was not.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unitconv.decoding import Decoding
from unitconv.equations import chains
from unitconv.evaluation import Graded, grade
from unitconv.llm import LLM
from unitconv.questions import Question
from unitconv.rates import Rate

CHUNK = 32  # questions decoded, graded and written together
POLICIES = ("distinct", "random")
# Why a completion is not kept.
REASONS = ("no answer", "wrong answer", "false statement", "no reasoning")


class RolloutError(ValueError):
    """A record that cannot be gone on with: other settings, broken file."""


@dataclass(frozen=True)
class RolloutSettings:
    """What decides the rollouts; a record resumes under the same only."""

    num_return_sequences: int = 10
    temperature: float = 0.8
    top_p: float = 1.0
    seed: int = 0
    max_new_tokens: int = 96

    @property
    def decoding(self) -> Decoding:
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
        return [r for r in self.rollouts if r.reason is None]


def judge(graded: Graded) -> str | None:
    """Why a completion is rejected; None if it may be learned from."""
    if not graded.answered:
        return "no answer"
    if not graded.correct:
        return "wrong answer"
    if graded.reasoning_ok is None:
        return "no reasoning"
    return None if graded.reasoning_ok else "false statement"


def to_record(question: Question, graded: Sequence[Graded]) -> Record:
    rollouts = [
        Rollout(
            g.text,
            g.n_tokens,
            g.finished,
            g.answer if g.answered else None,
            judge(g),
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


def resume_point(path: Path, wanted: dict[str, Any]) -> int:
    """How many chunks of `path` are whole; what follows them is cut off.

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
    changed = sorted(k for k in wanted if found.get(k) != wanted[k])
    if changed:
        raise RolloutError(
            f"{path} was begun with other settings ({', '.join(changed)}): "
            "give the same ones, or another output"
        )
    # The piece after the last line end is what a kill left half-written.
    written = len(lines) - 2
    total = wanted["questions"]
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
    batch_size: int = 64,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Record]:
    """Sample every question, through `path`; return all records.

    If `path` exists the run goes on behind its last whole chunk.

    Raises:
        RolloutError: `path` belongs to another run.
    """
    first = header(llm, questions, settings)
    if path.exists() and path.stat().st_size:
        done = resume_point(path, first)
        progress(done)
    else:
        path.write_text(_line(first))
        done = 0
    for start in range(done, len(questions), CHUNK):
        chunk = questions[start : start + CHUNK]
        records = _roll(llm, chunk, settings, batch_size)
        _append(path, "".join(_line(asdict(r)) for r in records))
        progress(len(chunk))
    return read_records(path)


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
        to_record(question, [grade(question, g) for g in generations])
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

    Raises:
        RolloutError: a line is no record; says which.
    """
    return list(_read(path))


def _read(path: Path) -> Iterator[Record]:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    for number, line in enumerate(lines, start=2):
        try:
            stored = json.loads(line)
            rollouts = [Rollout(**r) for r in stored.pop("rollouts")]
            yield Record(**stored, rollouts=rollouts)
        except (ValueError, TypeError, KeyError) as error:
            raise RolloutError(
                f"{path}, line {number}: no record of rollouts ({error})"
            ) from error


# ----------------------------------------------------------- the selection


def path_key(text: str) -> tuple[str, ...]:
    """The reasoning path of a text: its equations, without the words."""
    return tuple(
        f"{left.text if left else '?'} = {right.text if right else '?'}"
        for pairs in chains(text)
        for left, right in pairs
    )


def select(
    records: Sequence[Record],
    paths: int = 1,
    policy: str = "distinct",
    seed: int = 0,
) -> list[tuple[str, float, str]]:
    """Training triples (question, answer, reasoning).

    Args:
        paths: at most so many for a question, all different.
        policy: `distinct` takes kept completions in the order they were
            sampled; `random`, the control, takes as many for each question,
            at random from all of its completions with an answer, right or
            wrong.

    Raises:
        ValueError: an unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(
            f"unknown policy {policy!r}: choose from {', '.join(POLICIES)}"
        )
    triples = []
    for record in records:
        chosen = _distinct(record.kept)[:paths]
        if policy == "random":
            rng = random.Random(f"{seed} {record.question}")
            pool = [r for r in record.rollouts if r.answer is not None]
            rng.shuffle(pool)
            chosen = _distinct(pool)[: len(chosen)]
        triples += [
            (record.question, record.answer, r.text.strip()) for r in chosen
        ]
    return triples


def _distinct(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """The first rollout of each path."""
    first: dict[tuple[str, ...], Rollout] = {}
    for rollout in rollouts:
        first.setdefault(path_key(rollout.text), rollout)
    return list(first.values())


def success(records: Sequence[Record], samples: int | None = None) -> Rate:
    """Questions with at least one kept among their first `samples`."""
    found = sum(
        any(r.reason is None for r in record.rollouts[:samples])
        for record in records
    )
    return Rate(found, len(records))
