"""This library's decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from experiments.benchmarks.peers.serve import Replies, Task, serve_decoder
from unitconv.inference.load import DTYPES, load_model
from unitconv.inference.old_engine import generate
from unitconv.inference.reference import Decoding


class DealtLengths:
    """A stop rule that gives each reply a length of its own.

    A rule is shown a reply and not told whose it is, so lengths are dealt
    in the order in which replies begin, and a reply is known again by its
    list, which grows in place.
    """

    def __init__(self, lengths: Iterable[int]) -> None:
        self._left = iter(lengths)
        self._dealt: dict[int, int] = {}

    def __call__(self, token_ids: list[int]) -> bool:
        if len(token_ids) == 1:
            self._dealt[id(token_ids)] = next(self._left)
        return len(token_ids) == self._dealt[id(token_ids)]


def load(task: Task) -> Callable[[], Replies]:
    """The engine, which is given all requests, or one after the other."""
    job = task.workload
    model, _ = load_model(
        task.model, torch.device("cpu"), DTYPES[task.dtype]
    )
    settings = Decoding(job.longest, job.temperature)

    def decode() -> Replies:
        stop = DealtLengths(n for row in job.lengths for n in row)
        # One slot: one request after the other, nothing shared or kept.
        calls = [job.prompts]
        if job.slots == 1:
            calls = [[prompt] for prompt in job.prompts]
        return [
            [reply.token_ids for reply in row]
            for prompts in calls
            for row in generate(
                model, prompts, stop, settings, job.samples, job.slots
            )
        ]

    return decode


if __name__ == "__main__":
    serve_decoder(load)
