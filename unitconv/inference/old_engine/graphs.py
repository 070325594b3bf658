"""A decode step recorded once, and then replayed: CUDA graphs.

A step of a small model is a few hundred kernels, each shorter on a GPU than
the time Python takes to launch it. A graph launches all of them at once. It
replays fixed shapes on fixed addresses, so a batch is rounded up to a
bucket, and the surplus rows work on slots nobody has. A CPU launches
nothing, and runs the step as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unitconv.inference.old_engine.cache import CachePlan

Step = Callable[[int, int, int], Tensor]
# The lengths, and pages, a graph is recorded for are multiples of these.
LENGTHS, PAGES = 64, 128


def recorded(
    step: Step,
    slots: int,
    plan: CachePlan,
    state: Tensor,
    device: torch.device,
) -> Step:
    """`step` itself, or on a GPU its recording."""
    if device.type != "cuda":
        return step
    return GraphedStep(step, slots, plan, state)


def bucket(rows: int, slots: int) -> int:
    """The next power of two, at most `slots`."""
    return min(1 << (rows - 1).bit_length(), slots)


def round_up(number: int, step: int, most: int) -> int:
    """To a multiple of `step`, at most `most`."""
    return min(-(-number // step) * step, most)


class GraphedStep:
    """One graph for each bucket of rows, lengths and pages, made when
    needed."""

    def __init__(
        self, step: Step, slots: int, plan: CachePlan, state: Tensor
    ) -> None:
        self.step, self.slots, self.plan = step, slots, plan
        self.state = state
        self.graphs: dict[tuple[int, int, int], tuple[Any, Tensor]] = {}

    def __call__(self, rows: int, length: int, pages: int) -> Tensor:
        """As `Engine.step`: the next token of each row, [rows]."""
        shape = (
            bucket(rows, self.slots),
            round_up(length, LENGTHS, self.plan.room),
            round_up(pages, PAGES, self.plan.pages),
        )
        if shape not in self.graphs:
            self.graphs[shape] = self._record(*shape)
        graph, tokens = self.graphs[shape]
        graph.replay()
        return tokens[:rows]

    def _record(
        self, rows: int, length: int, pages: int
    ) -> tuple[Any, Tensor]:
        """Run the step for its kernels to be set up, then record it.

        Both runs move the state on, which is put back. What they write to
        the cache lies where the next real step writes.
        """
        before = self.state.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self.step(rows, length, pages)
                self.state.copy_(before)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            tokens = self.step(rows, length, pages)
        self.state.copy_(before)
        return graph, tokens
