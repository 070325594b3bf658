"""What the three peers made of transformers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from experiments.benchmarks.peers.serve import Task
from experiments.benchmarks.workloads import Workload
from unitconv.inference.load import DTYPES, load_model


def load_hf(task: Task) -> Any:
    """The model without an end-of-sequence token: lengths are given."""
    model, _ = load_model(
        task.model, torch.device("cpu"), DTYPES[task.dtype]
    )
    model.config.eos_token_id = None
    model.generation_config = GenerationConfig(pad_token_id=0)
    return model


def sampling(job: Workload) -> dict[str, Any]:
    """How tokens are chosen, in transformers' words."""
    if job.temperature == 0:
        return {"do_sample": False}
    return {
        "do_sample": True,
        "temperature": job.temperature,
        "top_k": 0,
        "top_p": 1.0,
    }


class LengthOfEachRow:
    """Stops row `i` after `lengths[i]` new tokens.

    `generate` runs until the last row is done; what it appends to the
    others meanwhile is no useful token, and is cut off by `cut`.
    """

    def __init__(self, width: int, lengths: Sequence[int]) -> None:
        self.width = width
        self.lengths = torch.tensor(lengths)

    def __call__(self, input_ids: Tensor, _: Any, **__: Any) -> Tensor:
        return input_ids.shape[1] - self.width >= self.lengths

    def cut(self, output: Tensor) -> list[list[int]]:
        """The replies in `generate`'s output, [rows, width + new]."""
        return [
            row[self.width : self.width + length]
            for row, length in zip(
                output.tolist(), self.lengths.tolist(), strict=True
            )
        ]


def generate_rows(
    model: Any,
    job: Workload,
    chosen: Sequence[int],
    input_ids: Tensor,
    attention_mask: Tensor,
    **options: Any,
) -> list[list[list[int]]]:
    """`model.generate` for some prompts: [prompt][sample][token]."""
    n = job.samples
    lengths = [length for i in chosen for length in job.lengths[i]]
    stop = LengthOfEachRow(input_ids.shape[1], lengths)
    output = model.generate(
        input_ids=input_ids,
        attention_mask=attention_mask,
        max_new_tokens=max(lengths),
        num_return_sequences=n,
        stopping_criteria=[stop],
        **sampling(job),
        **options,
    )
    replies = stop.cut(output)
    return [replies[i : i + n] for i in range(0, len(replies), n)]
