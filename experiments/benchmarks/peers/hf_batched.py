"""transformers' `generate`: left-padded batches in the given order."""

from __future__ import annotations

from collections.abc import Callable

from experiments.benchmarks.peers.hf import generate_rows, load_hf
from experiments.benchmarks.peers.serve import Replies, Task, serve_decoder
from unitconv.inference.reference import left_pad


def load(task: Task) -> Callable[[], Replies]:
    """Batches of as many replies as there are slots."""
    model, job = load_hf(task), task.workload
    at_once = max(1, job.slots // job.samples)
    numbers = range(len(job.prompts))

    def decode() -> Replies:
        replies: Replies = []
        for start in range(0, len(numbers), at_once):
            chosen = numbers[start : start + at_once]
            padded = left_pad([job.prompts[i] for i in chosen], 0)
            replies += generate_rows(model, job, chosen, *padded)
        return replies

    return decode


if __name__ == "__main__":
    serve_decoder(load)
