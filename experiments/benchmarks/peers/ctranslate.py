"""CTranslate2: its own kernels, sorted batches, a cached static prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
from ctranslate2.converters import TransformersConverter
from transformers import AutoTokenizer

from experiments.benchmarks.peers.serve import Replies, Task, serve_decoder


def load(task: Task) -> Callable[[], Replies]:
    """In float32: for a CPU it has no other but 8-bit integers."""
    folder = task.work / f"ctranslate-{Path(task.model).name}"
    if not folder.exists():
        TransformersConverter(task.model).convert(
            str(folder), quantization="float32"
        )
    generator = ctranslate2.Generator(
        str(folder),
        device="cpu",
        compute_type="float32",
        inter_threads=1,
        intra_threads=task.threads,
    )
    job = task.workload
    words = AutoTokenizer.from_pretrained(task.model).convert_ids_to_tokens
    shared = words(job.shared) or None
    # A row a reply: rows with their own lengths share a prompt's samples.
    rows = [
        words(prompt[job.n_shared :])
        for prompt in job.prompts
        for _ in range(job.samples)
    ]
    lengths = [n for row in job.lengths for n in row]

    left = list(lengths)

    def done(step: Any) -> bool:
        # Counted here: `step.step` is ahead where a row's question was
        # longer than its batch's shortest and was read token by token.
        left[step.batch_id] -= 1
        return left[step.batch_id] == 0

    options: dict[str, Any] = {"sampling_topk": 1}
    if job.temperature:
        options = {
            "sampling_topk": 0,
            "sampling_temperature": job.temperature,
        }

    def decode() -> Replies:
        left[:] = lengths
        results = generator.generate_batch(
            rows,
            max_batch_size=job.slots,
            static_prompt=shared,
            include_prompt_in_result=False,
            max_length=job.longest,
            end_token=[],
            callback=done,
            **options,
        )
        flat = [result.sequences_ids[0] for result in results]
        n = job.samples
        return [flat[i : i + n] for i in range(0, len(flat), n)]

    return decode


if __name__ == "__main__":
    serve_decoder(load)
