"""What a decoder is asked to do: prompts, and how long each reply is.

Lengths are fixed before anything is timed: every peer emits exactly as many
tokens for a request as the course model's own greedy reply has. Otherwise
a peer whose model rambles would count as fast. Prompts are real questions
of the course, in its own prompt styles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


class WorkloadError(ValueError):
    """Requests that do not go together, or replies of a wrong length."""


@dataclass(frozen=True)
class Workload:
    """Requests that are decoded as one job.

    Request `i` has the prompt `prompts[i]` and one reply of each of
    `lengths[i]` tokens: one a sample. All prompts begin with the first
    `n_shared` tokens, which a decoder may read once.
    """

    name: str
    prompts: list[list[int]]
    lengths: list[list[int]]
    n_shared: int
    slots: int  # how many replies are decoded at a time
    temperature: float = 0.0

    def __post_init__(self) -> None:
        if not self.prompts or len(self.prompts) != len(self.lengths):
            raise WorkloadError(
                f"{self.name}: one list of lengths a prompt"
            )
        if min(map(min, self.lengths)) < 1:
            raise WorkloadError(f"{self.name}: a reply of no tokens")
        if len(set(map(len, self.lengths))) != 1:
            raise WorkloadError(f"{self.name}: as many samples everywhere")

    @property
    def samples(self) -> int:
        """Replies a prompt."""
        return len(self.lengths[0])

    @property
    def n_tokens(self) -> int:
        """The useful tokens: all that is emitted, and nothing else."""
        return sum(map(sum, self.lengths))

    @property
    def longest(self) -> int:
        """Tokens of the longest reply."""
        return max(map(max, self.lengths))

    @property
    def shared(self) -> list[int]:
        """The tokens that all prompts begin with."""
        return self.prompts[0][: self.n_shared]

    @property
    def context(self) -> int:
        """Tokens of the longest prompt together with its longest reply."""
        return max(
            len(prompt) + max(lengths)
            for prompt, lengths in zip(
                self.prompts, self.lengths, strict=True
            )
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a peer in a process of its own."""
        return asdict(self)


def n_shared(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts share, one of each left to be read.

    The last token of a prompt is never shared: its logits are wanted.
    """
    # Sorted, the first and the last differ where any two do first.
    pairs = zip(min(prompts), max(prompts), strict=False)
    common = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    shortest = min(map(len, prompts)) - 1
    return shortest if common is None else min(common, shortest)


def build(
    name: str,
    prompts: list[list[int]],
    lengths: Sequence[int],
    slots: int,
    samples: int = 1,
    temperature: float = 0.0,
) -> Workload:
    """A workload whose replies are as long as the reference's are.

    Args:
        lengths: tokens of the reference's reply to each prompt. A prompt
            with several samples gets those of the prompts after it as
            well: as varied as real ones, and known in advance.
        slots: with 1, each prompt is a job of its own, and nothing that
            was read for one may serve the next.

    Raises:
        WorkloadError: the lists differ in length, or a reply is empty.
    """
    if len(prompts) != len(lengths):
        raise WorkloadError(f"{name}: one length a prompt")
    n = len(prompts)
    dealt = [
        [lengths[(i + k) % n] for k in range(samples)] for i in range(n)
    ]
    shared = n_shared(prompts) if slots > 1 else 0
    return Workload(name, prompts, dealt, shared, slots, temperature)


def check(workload: Workload, emitted: Iterable[Iterable[int]]) -> None:
    """Refuse a run that did not emit what was asked for.

    Compared without regard to order: a stop rule that is not told whose
    reply it sees can only deal the lengths out in order of arrival.

    Raises:
        WorkloadError: says how many tokens were expected and came.
    """
    wanted = sorted(n for lengths in workload.lengths for n in lengths)
    came = sorted(n for lengths in emitted for n in lengths)
    if wanted != came:
        raise WorkloadError(
            f"{workload.name}: {sum(wanted)} tokens in {len(wanted)} "
            f"replies were asked for, {sum(came)} in {len(came)} came, or "
            "their lengths differ"
        )
