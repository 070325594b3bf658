"""Throughput of decoding on the course's own workloads.

Only tokens of replies count; the time is that of the whole job, prompts
included.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch

from unitconv.inference.engine import EngineOptions, ForwardPass
from unitconv.inference.generate import generate, generate_in_batches
from unitconv.inference.llm import LLM
from unitconv.inference.reference import Decoding
from unitconv.profiling.roofline import Ceiling, minimum_seconds
from unitconv.task.dataset import Question


@dataclass(frozen=True)
class Workload:
    """A set of requests to decode."""

    name: str
    prompts: list[list[int]]
    num_return_sequences: int
    settings: Decoding


@dataclass(frozen=True)
class Speed:
    """One workload at one number of slots; seconds are medians."""

    workload: str
    decoder: str  #: "engine" or "reference"
    slots: int
    tokens: int  #: of replies
    seconds: float
    cpu_seconds: float
    first_token_seconds: float  #: median over requests, since the start
    roofline: float | None = None  #: share of it; the engine only

    @property
    def tokens_per_second(self) -> float:
        """Tokens of replies a second, over the whole job."""
        return self.tokens / self.seconds

    def to_json(self) -> dict[str, object]:
        """Return every field and the rate, rounded to four digits."""
        fields = asdict(self) | {
            "tokens_per_second": self.tokens_per_second
        }
        for key, value in fields.items():
            if isinstance(value, float):
                fields[key] = float(f"{value:.4g}")
        return fields


def workloads(llm: LLM, questions: Sequence[Question]) -> list[Workload]:
    """Build four workloads; three share a prefix in all prompts."""
    prompts = [llm.encode(llm.format_prompt(q.text)) for q in questions]
    # A different token in front of each, and nothing is shared.
    size = llm.model.config.vocab_size
    distinct = [[i % size, *p] for i, p in enumerate(prompts)]
    few = prompts[: max(1, len(prompts) // 10)]
    sampling = Decoding(temperature=0.8)
    return [
        Workload("evaluation", prompts, 1, Decoding()),
        Workload("no shared prefix", distinct, 1, Decoding()),
        Workload("rollouts", few, 10, sampling),
        Workload("one sequence", prompts[:1], 1, Decoding()),
    ]


def measure(
    llm: LLM,
    workload: Workload,
    slots: int,
    repeats: int = 3,
    ceiling: Ceiling | None = None,
    decoder: str = "engine",
) -> Speed:
    """Take the median of `repeats` runs, after one that warms up.

    Args:
        ceiling: of this machine, for the share of the roofline.
        decoder: "engine", or "reference": padded batches of `slots` rows.
    """
    runs = [_run(llm, workload, slots, decoder) for _ in range(1 + repeats)]
    first, passes = runs[1]

    def median(name: str) -> float:
        return statistics.median(getattr(run, name) for run, _ in runs[1:])

    share = None
    if ceiling is not None and passes:
        lower_bound = minimum_seconds(llm.model, passes, ceiling)
        share = lower_bound / median("seconds")
    return replace(
        first,
        seconds=median("seconds"),
        cpu_seconds=median("cpu_seconds"),
        first_token_seconds=median("first_token_seconds"),
        roofline=share,
    )


def _run(
    llm: LLM, workload: Workload, slots: int, decoder: str
) -> tuple[Speed, list[ForwardPass]]:
    decode = {"engine": generate, "reference": generate_in_batches}[decoder]
    passes: list[ForwardPass] = []
    first_tokens: list[float] = []
    start, cpu_start = time.perf_counter(), time.process_time()

    def stop(token_ids: list[int]) -> bool:
        if len(token_ids) == 1:
            first_tokens.append(time.perf_counter() - start)
        return llm.stop(token_ids)

    completions = decode(
        model=llm.model,
        prompts=workload.prompts,
        stop=stop,
        settings=workload.settings,
        num_return_sequences=workload.num_return_sequences,
        options=EngineOptions(slots=slots, observe=passes.append),
    )
    speed = Speed(
        workload=workload.name,
        decoder=decoder,
        slots=slots,
        tokens=sum(len(c.token_ids) for row in completions for c in row),
        seconds=time.perf_counter() - start,
        cpu_seconds=time.process_time() - cpu_start,
        first_token_seconds=statistics.median(first_tokens),
    )
    return speed, passes


def peak_memory(device: torch.device) -> int:
    """Return the most bytes taken, on the GPU or by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource  # not on Windows, where nothing else of this fails

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
