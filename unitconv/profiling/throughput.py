"""How fast the library decodes here, on the course's own workloads.

Evaluation asks every question once, greedily; rollouts ask fewer questions
ten times each. Both with the course's prompt, whose first hundred tokens
all questions share, and evaluation also with prompts that share nothing.
Only tokens of replies count; the time is that of the whole job, prompts
included. Peers are measured elsewhere: `benchmarks/` in the repository.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from unitconv.inference import old_engine as engine
from unitconv.inference.llm import LLM
from unitconv.inference.old_engine import Pass
from unitconv.inference.reference import Decoding, generate_in_batches
from unitconv.profiling.roofline import Ceiling, least_seconds
from unitconv.task.dataset import Question


@dataclass(frozen=True)
class Workload:
    """A job for a decoder."""

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
    roofline: float | None  #: share of the machine's; the engine's only

    @property
    def tokens_per_second(self) -> float:
        """Tokens of replies a second, over the whole job."""
        return self.tokens / self.seconds

    def to_json(self) -> dict[str, Any]:
        """Every field and the rate as plain data, to four digits."""
        rounded = {
            key: float(f"{value:.4g}")
            if isinstance(value, float)
            else value
            for key, value in asdict(self).items()
        }
        return rounded | {
            "tokens_per_second": float(f"{self.tokens_per_second:.4g}")
        }


def workloads(llm: LLM, questions: Sequence[Question]) -> list[Workload]:
    """Evaluation with and without a shared prefix, and rollouts."""
    prompts = [llm.encode(llm.format_prompt(q.text)) for q in questions]
    # One more token in front, another one each time, and nothing is shared.
    size = llm.model.config.vocab_size
    alone = [[i % size, *p] for i, p in enumerate(prompts)]
    few = prompts[: max(1, len(prompts) // 10)]
    warm = Decoding(temperature=0.8)
    return [
        Workload("evaluation", prompts, 1, Decoding()),
        Workload("no shared prefix", alone, 1, Decoding()),
        Workload("rollouts", few, 10, warm),
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
    """The median of `repeats` runs, after one to warm up.

    Args:
        ceiling: of this machine, for the share of the roofline.
        decoder: "engine", or "reference": padded batches of `slots` rows.
    """
    run = {"engine": _by_engine, "reference": _by_reference}[decoder]
    runs = [run(llm, workload, slots) for _ in range(repeats + 1)][1:]
    seconds = statistics.median(r.seconds for r in runs)
    passes = runs[0].passes
    share = None
    if ceiling is not None and passes:
        share = least_seconds(llm.model, passes, ceiling) / seconds
    return Speed(
        workload.name,
        decoder,
        slots,
        runs[0].tokens,
        seconds,
        statistics.median(r.cpu_seconds for r in runs),
        statistics.median(r.first_token_seconds for r in runs),
        share,
    )


@dataclass(frozen=True)
class _Run:
    tokens: int
    seconds: float
    cpu_seconds: float
    first_token_seconds: float
    passes: list[Pass]


class _Clock:
    """Times a run, and the first token of each of its rows."""

    def __init__(self, llm: LLM) -> None:
        self.stop_rule = llm.stop
        self.firsts: list[float] = []
        self.start, self.cpu = time.perf_counter(), time.process_time()

    def stop(self, token_ids: list[int]) -> bool:
        if len(token_ids) == 1:
            self.firsts.append(time.perf_counter() - self.start)
        return self.stop_rule(token_ids)

    def read(self, done: Sequence[Any], passes: list[Pass]) -> _Run:
        return _Run(
            sum(len(c.token_ids) for row in done for c in row),
            time.perf_counter() - self.start,
            time.process_time() - self.cpu,
            statistics.median(self.firsts),
            passes,
        )


def _by_engine(llm: LLM, workload: Workload, slots: int) -> _Run:
    passes: list[Pass] = []
    clock = _Clock(llm)
    done = engine.generate(
        llm.model,
        workload.prompts,
        clock.stop,
        workload.settings,
        workload.num_return_sequences,
        slots,
        pad_token_id=llm.pad_token_id,
        observe=passes.append,
    )
    return clock.read(done, passes)


def _by_reference(llm: LLM, workload: Workload, slots: int) -> _Run:
    clock = _Clock(llm)
    done = generate_in_batches(
        llm.model,
        workload.prompts,
        clock.stop,
        workload.settings,
        workload.num_return_sequences,
        slots,
        llm.pad_token_id,
    )
    return clock.read(done, [])


def peak_memory(device: torch.device) -> int:
    """The most bytes taken so far: on the GPU, or by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource  # not on Windows, where nothing else of this fails

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
