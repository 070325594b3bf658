"""Requests that every decoder is given, and the length of each reply.

Lengths are fixed before anything is timed: each reply has as many tokens
as the course model's own greedy reply to that question. A decoder whose
model rambles does not count as fast, and padding, or tokens that follow a
reply's end, do not count at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split
from unitconv.training.config import SAMPLES, TEMPERATURE

Replies = list[list[list[int]]]
"""Token ids of all replies: [prompt][sample][token]."""


@dataclass(frozen=True)
class Workload:
    """Prompts that are continued as one job.

    Attributes:
        lengths: new tokens of each reply to the prompt of that number.
        samples: replies to each prompt.
    """

    name: str
    prompts: list[list[int]]
    lengths: list[int]
    samples: int = 1
    temperature: float = 0.0

    @property
    def n_tokens(self) -> int:
        """Number of tokens in all replies."""
        return self.samples * sum(self.lengths)

    def rows(self) -> list[tuple[list[int], int]]:
        """Return prompt and length of each reply."""
        pairs = zip(self.prompts, self.lengths, strict=True)
        return [pair for pair in pairs for _ in range(self.samples)]

    def by_prompt(self, replies: list[list[int]]) -> Replies:
        """Gather replies in the order of `rows` by their prompts.

        Raises:
            ValueError: a reply has another length than was asked for.
        """
        lengths = [length for _, length in self.rows()]
        if [len(reply) for reply in replies] != lengths:
            raise ValueError(f"{self.name}: replies of other lengths")
        n = self.samples
        return [replies[i : i + n] for i in range(0, len(replies), n)]


def course_workloads(questions: int) -> list[Workload]:
    """Build evaluation and rollouts from questions of the test split.

    Evaluation asks every question once, greedily; rollouts ask a tenth of
    them ten times, at the temperature of the course.
    """
    llm = LLM.from_pretrained("course", device="cpu", dtype="float32")
    texts = [
        llm.format_prompt(question.text)
        for question in load_split("test")[:questions]
    ]
    prompts = [llm.encode(text) for text in texts]
    lengths = [row[0].n_tokens for row in llm.complete(texts)]
    few = max(1, questions // SAMPLES)
    return [
        Workload("evaluation", prompts, lengths),
        Workload(
            "rollouts", prompts[:few], lengths[:few], SAMPLES, TEMPERATURE
        ),
    ]
