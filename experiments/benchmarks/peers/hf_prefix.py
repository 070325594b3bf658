"""transformers' `generate` at its best: sorted, with a reused prefix.

Prompts of similar length share a batch, and the cache of the shared prefix
is computed once and copied to the rows of each. Padding then stands between
the prefix and the question, where the mask hides it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch

from experiments.benchmarks.peers.hf import generate_rows, load_hf
from experiments.benchmarks.peers.serve import Replies, Task, serve_decoder
from unitconv.inference.reference import left_pad, prefill


def load(task: Task) -> Callable[[], Replies]:
    """Batches of as many replies as there are slots."""
    model, job = load_hf(task), task.workload
    at_once = max(1, job.slots // job.samples)
    numbers = range(len(job.prompts))
    order = sorted(numbers, key=lambda i: len(job.prompts[i]))
    prefix = torch.tensor([job.shared])

    @torch.inference_mode()
    def decode() -> Replies:
        _, shared = prefill(model, prefix)
        found: dict[int, list[list[int]]] = {}
        for start in range(0, len(order), at_once):
            chosen = order[start : start + at_once]
            ids, mask = left_pad(
                [job.prompts[i][job.n_shared :] for i in chosen], 0
            )
            before = prefix.expand(len(chosen), -1)
            cache = deepcopy(shared)
            # `generate` repeats its inputs for the samples, not a cache.
            cache.batch_repeat_interleave(len(chosen) * job.samples)
            done = generate_rows(
                model,
                job,
                chosen,
                torch.cat([before, ids], dim=1),
                torch.cat([torch.ones_like(before), mask], dim=1),
                past_key_values=cache,
            )
            found |= dict(zip(chosen, done, strict=True))
        return [found[i] for i in numbers]

    return decode


if __name__ == "__main__":
    serve_decoder(load)
