"""transformers' continuous batching, with small pages for short texts."""

from __future__ import annotations

from collections.abc import Callable

from transformers import ContinuousBatchingConfig, GenerationConfig

from experiments.benchmarks.peers.hf import load_hf, sampling
from experiments.benchmarks.peers.serve import Replies, Task, serve_decoder

PAGE_SIZE = 32


def load(task: Task) -> Callable[[], Replies]:
    """One manager that stays, as a server's would."""
    model, job = load_hf(task), task.workload
    pages = -(-job.context // PAGE_SIZE) + 1
    manager = model.init_continuous_batching(
        generation_config=GenerationConfig(
            pad_token_id=0, max_new_tokens=job.longest, **sampling(job)
        ),
        continuous_batching_config=ContinuousBatchingConfig(
            page_size=PAGE_SIZE,
            num_blocks=pages * (job.slots + 1),
            max_batch_tokens=1024,
            max_requests_per_batch=job.slots,
        ),
    )
    manager.start()

    def decode() -> Replies:
        names = [
            [
                manager.add_request(
                    prompt, max_new_tokens=n, eos_token_id=-1
                )
                for n in lengths
            ]
            for prompt, lengths in zip(
                job.prompts, job.lengths, strict=True
            )
        ]
        found: dict[str, list[int]] = {}
        while len(found) < sum(map(len, names)):
            result = manager.get_result(timeout=1)
            if result is not None and result.is_finished():
                found[result.request_id] = list(result.generated_tokens)
            elif not manager.is_running():
                raise RuntimeError("the manager's thread has died")
        return [[found[name] for name in row] for row in names]

    return decode


if __name__ == "__main__":
    serve_decoder(load)
