"""Sampling for online RL: groups of replies, with tokens and rewards."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import FiniteFloat, TypeAdapter

from unitconv.common.files.json_lines import iter_lines
from unitconv.evaluation.grade import grade
from unitconv.inference.generate import generate
from unitconv.inference.llm import LLM
from unitconv.inference.reference import Completion, Decoding
from unitconv.task.dataset import Question
from unitconv.training.config import TrainingError
from unitconv.training.examples import IGNORE_INDEX, TrainingExample
from unitconv.training.rl.config import RLSettings
from unitconv.training.rl.reward import Reward, right_reasoning
from unitconv.training.rollouts import RolloutError, rejection_reason


@dataclass(frozen=True)
class Reply:
    """A sampled reply: the very tokens, since a text can have others."""

    token_ids: list[int]
    text: str
    reward: FiniteFloat
    #: Why it would be rejected for RFT; None for a right one.
    reason: str | None


@dataclass(frozen=True)
class Group:
    """All replies to one question, sampled in one step."""

    step: int
    question: str
    prompt_ids: list[int]
    replies: list[Reply]

    @property
    def mixed(self) -> bool:
        """True if the rewards differ: if there is something to learn."""
        return len({reply.reward for reply in self.replies}) > 1

    @property
    def examples(self) -> list[TrainingExample]:
        """Each reply after the prompt, with the reply's tokens labeled."""
        ignored = [IGNORE_INDEX] * len(self.prompt_ids)
        return [
            TrainingExample(
                self.prompt_ids + reply.token_ids, ignored + reply.token_ids
            )
            for reply in self.replies
        ]


_GROUP = TypeAdapter(Group)


def pick_questions(
    questions: Sequence[Question], size: int, step: int, seed: int
) -> list[Question]:
    """Choose the questions of a step; each comes once before any again.

    Raises:
        TrainingError: there are fewer questions than a step takes.
    """
    steps_per_pass = len(questions) // size
    if not steps_per_pass:
        raise TrainingError(
            f"{len(questions)} questions are fewer than the {size} of a "
            "step: give more, or lower --questions"
        )
    number, place = divmod(step, steps_per_pass)
    order = random.Random(f"{seed} {number}").sample(
        range(len(questions)), len(questions)
    )
    chosen = order[place * size : (place + 1) * size]
    return [questions[i] for i in chosen]


def sample_groups(
    llm: LLM,
    questions: Sequence[Question],
    settings: RLSettings,
    step: int,
    reward: Reward = right_reasoning,
) -> list[Group]:
    """Sample replies to every question with the model as it is now.

    Raises:
        ContextError: a prompt is longer than the context.
        TrainingError: the reward failed or is no finite number.
    """
    prompts = llm.encode_all([llm.format_prompt(q.text) for q in questions])
    completions = generate(
        llm.model,
        prompts,
        llm.stop,
        Decoding(
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            # A question is sampled with other noise the next time.
            seed=settings.seed * settings.steps + step,
        ),
        settings.samples,
    )
    return [
        Group(
            step=step,
            question=question.text,
            prompt_ids=prompt,
            replies=[_score(llm, question, c, reward) for c in row],
        )
        for question, prompt, row in zip(
            questions, prompts, completions, strict=True
        )
    ]


def _score(
    llm: LLM, question: Question, completion: Completion, reward: Reward
) -> Reply:
    graded = grade(question, llm.decode(completion), llm.task)
    where = f"for the reply {graded.text!r} to {question.text!r}"
    try:
        value = float(reward(graded))
    except Exception as error:
        raise TrainingError(
            f"the reward failed {where} ({type(error).__name__}: {error}): "
            "let it return 0.0 for what it cannot judge"
        ) from error
    if not math.isfinite(value):
        raise TrainingError(
            f"the reward is {value} {where}: let it return a finite number"
        )
    reason = rejection_reason(graded)
    return Reply(completion.token_ids, graded.text, value, reason)


def read_groups(path: Path) -> list[Group]:
    """Read the groups of a run, to look at them or to replay it.

    Raises:
        RolloutError: the file cannot be read, or a line is not a group or
            was changed; the message says which.
    """
    return list(iter_lines(path, _GROUP, RolloutError))
