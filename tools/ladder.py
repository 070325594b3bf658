"""What each idea of the fast decoder gains: one ladder, rung by rung.

    python -m tools.ladder           # unitconv/results/ladder.json

Evaluation on the course model: questions of the test split, CoT prompt,
greedy, one thread. The rungs between `transformers.generate` and the
engine are the engine with an idea taken away; all but the first sort the
prompts by length. All give the same tokens, or nothing is measured. They
take turns, so that a machine that slows down slows all of them; the record
holds every time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from transformers import (
    AttentionInterface,
    GenerationConfig,
    StoppingCriteria,
    StoppingCriteriaList,
)

from unitconv.decoding import (
    GREEDY,
    Completion,
    Progress,
    StopRule,
    left_pad,
)
from unitconv.engine.attention import attend
from unitconv.engine.batching import Engine, Row
from unitconv.engine.cache import CachePlan, SlotCache
from unitconv.files import write_json

RESULTS = Path(__file__).resolve().parents[1] / "unitconv" / "results"
WARM_UP = 1

app = typer.Typer(help=__doc__)


@dataclass(frozen=True)
class Job:
    """Requests, greedy: what every rung is given."""

    model: Any
    prompts: list[list[int]]
    stop: StopRule
    slots: int
    pad_token_id: int = 0
    limit: int = GREEDY.max_new_tokens


Decoder = Callable[[Job], list[list[int]]]


# ------------------------------------------------------------- the rungs


class StopRows(StoppingCriteria):
    """Tells `generate` which rows are done, by our own stop rule."""

    def __init__(self, stop: StopRule, width: int) -> None:
        self.stop, self.width = stop, width

    def __call__(
        self, input_ids: torch.LongTensor, scores: Any, **_: Any
    ) -> torch.BoolTensor:
        replies = input_ids[:, self.width :].tolist()
        done = [self.stop(reply) for reply in replies]
        return torch.BoolTensor(done)


@torch.inference_mode()
def by_generate(job: Job) -> list[list[int]]:
    """`transformers.generate` as most people write it: left-padded
    batches, in the order given."""
    replies: list[list[int]] = []
    for start in range(0, len(job.prompts), job.slots):
        some = job.prompts[start : start + job.slots]
        input_ids, mask = left_pad(some, job.pad_token_id)
        width = input_ids.shape[1]
        out = job.model.generate(
            input_ids,
            attention_mask=mask,
            generation_config=_greedy(job),
            stopping_criteria=StoppingCriteriaList(
                [StopRows(job.stop, width)]
            ),
        )
        rows = out[:, width:].tolist()
        replies += [until_stop(row, job.stop) for row in rows]
    return replies


def _greedy(job: Job) -> GenerationConfig:
    """With no end of its own: a row ends where our rule says so."""
    return GenerationConfig(
        do_sample=False,
        max_new_tokens=job.limit,
        eos_token_id=[job.model.config.vocab_size],
        pad_token_id=job.pad_token_id,
    )


def until_stop(tokens: list[int], stop: StopRule) -> list[int]:
    """A reply without the padding that follows its end."""
    for n in range(1, len(tokens) + 1):
        if stop(tokens[:n]):
            return tokens[:n]
    return tokens


NAME = "slots of the engine"


class ModulesOfTransformers(Engine):
    """The layers are Transformers' own; one function is replaced, which
    their attention looks up by name."""

    def run(
        self, stop: StopRule, progress: Progress | None
    ) -> list[list[Completion]]:
        before = self.model.config._attn_implementation
        try:
            return super().run(stop, progress)
        finally:
            self.model.set_attn_implementation(before)

    def _hidden(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        # Only now: the prefix is read before, and by the model's own.
        if self.model.config._attn_implementation != NAME:
            self.model.set_attn_implementation(NAME)
        out = self.model.base_model(
            input_ids=input_ids,
            position_ids=position_ids,
            past_key_values=Written(self.cache),
            use_cache=True,
            slots=self.cache,
        )
        states: Tensor = out.last_hidden_state
        return states


class Written:
    """A cache as Transformers' modules expect it."""

    def __init__(self, cache: SlotCache) -> None:
        self.cache = cache

    def update(
        self, key: Tensor, value: Tensor, layer: int, *_: Any
    ) -> tuple[Tensor, Tensor]:
        self.cache.update(key, value, layer)
        return key, value


def slot_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    slots: SlotCache,
    **_: Any,
) -> tuple[Tensor, None]:
    """What an attention module calls instead of its own function."""
    layer = module.layer_idx
    own = slots.own(layer, key, value)
    out = attend(query, own, slots.mask, slots.prefix(layer), scaling)
    return out, None


AttentionInterface.register(NAME, slot_attention)


class InOnePiece(ModulesOfTransformers):
    """Each slot lies in memory by itself, as long as the longest row."""

    def _plan(self, slots: int, memory: int | None) -> CachePlan:
        plan = super()._plan(slots, memory)
        return replace(plan, block=plan.room)


class NothingShared(InOnePiece):
    """Rows come and go; each reads the whole of its prompt."""

    def _shared(self) -> int:
        return 0


class Static(NothingShared):
    """A batch stays together until its last row is done."""

    def retire(self) -> list[Row]:
        done = all(row.done for row in self.live)
        return super().retire() if done else []


class PrefixInEverySlot(SlotCache):
    """The shared prefix as the first tokens of each slot.

    The engine counts a slot's own tokens from 0; here they begin behind
    the prefix.
    """

    def __init__(
        self, config: Any, plan: CachePlan, device: Any, dtype: torch.dtype
    ) -> None:
        self.front = plan.prefix
        room = plan.prefix + plan.room
        whole = replace(plan, room=room, block=room, prefix=0)
        super().__init__(config, whole, device, dtype)

    def aim(
        self, first: int, starts: Tensor, width: int, length: int
    ) -> None:
        super().aim(first, starts + self.front, width, length + self.front)

    def store_prefix(self, layers: list[tuple[Tensor, Tensor]]) -> None:
        for layer, (keys, values) in enumerate(layers):
            self.keys[layer, 0, :, :, : self.front] = keys
            self.values[layer, 0, :, :, : self.front] = values

    def copy(self, sources: Tensor, targets: Tensor, length: int) -> None:
        super().copy(sources, targets, self.front + length)


class PrefixCopied(InOnePiece):
    """The prefix is read once and lies in every slot: each row attends to
    a copy of its own."""

    def _allocate(self, plan: CachePlan) -> SlotCache:
        return PrefixInEverySlot(
            self.model.config, plan, self.device, self.model.dtype
        )


def by(kind: type[Engine]) -> Decoder:
    """The engine, or what is left of it without an idea."""

    def decode(job: Job) -> list[list[int]]:
        settings = replace(GREEDY, max_new_tokens=job.limit)
        limits = [job.limit] * len(job.prompts)
        engine = kind(
            job.model, job.prompts, settings, 1, job.slots, limits
        )
        done = engine.run(job.stop, None)
        return [completion.token_ids for [completion] in done]

    return decode


STEPS: dict[str, Decoder] = {
    "transformers.generate": by_generate,
    "cache written in place": by(Static),
    "slots are refilled": by(NothingShared),
    "prefix read once": by(PrefixCopied),
    "prefix attended once": by(InOnePiece),
    "cache lies in blocks": by(ModulesOfTransformers),
    "layers of its own": by(Engine),
}


# --------------------------------------------------------- the measuring


def measure(
    job: Job, repeats: int, steps: dict[str, Decoder] = STEPS
) -> dict[str, dict[str, list[float]]]:
    """CPU and wall seconds of each step, in turns, after a warm-up.

    Raises:
        ValueError: a step gives other tokens than the one before it.
    """
    times: dict[str, dict[str, list[float]]] = {
        name: {"cpu": [], "wall": []} for name in steps
    }
    want: list[list[int]] | None = None
    for turn in range(WARM_UP + repeats):
        for name, decode in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            got = decode(job)
            cpu = time.process_time() - cpu
            wall = time.perf_counter() - wall
            if want is not None and got != want:
                raise ValueError(f"{name!r}: other tokens than before")
            want = got
            if turn >= WARM_UP:
                times[name]["cpu"].append(round(cpu, 4))
                times[name]["wall"].append(round(wall, 4))
    return times


def gains(
    times: dict[str, dict[str, list[float]]], clock: str = "cpu"
) -> list[float | None]:
    """By what factor each step is faster than the one before it.

    The median over the turns of the ratio within a turn, where both met
    the same machine. The first step has none.
    """
    seconds = [step[clock] for step in times.values()]
    found: list[float | None] = [None]
    for before, after in pairwise(seconds):
        ratios = [b / a for b, a in zip(before, after, strict=True)]
        found.append(round(statistics.median(ratios), 3))
    return found


def record(
    job: Job, times: dict[str, dict[str, list[float]]], threads: int
) -> dict[str, Any]:
    """What the chapter reads: the steps in order, and what ran where."""
    from unitconv.provenance import provenance

    steps = [
        {
            "name": name,
            "cpu_seconds": statistics.median(step["cpu"]),
            "wall_seconds": statistics.median(step["wall"]),
            "gain": gain,
            "cpu": step["cpu"],
            "wall": step["wall"],
        }
        for (name, step), gain in zip(
            times.items(), gains(times), strict=True
        )
    ]
    return {
        "steps": steps,
        "run": {
            "questions": len(job.prompts),
            "slots": job.slots,
            "dtype": str(job.model.dtype).removeprefix("torch."),
            **(provenance() | {"threads": threads}),
        },
    }


def course_job(questions: int, slots: int) -> Job:
    from unitconv.llm import LLM
    from unitconv.questions import load_split

    llm = LLM.from_pretrained("course", device="cpu", dtype="float32")
    prompts = prompts_of(llm, [q.text for q in load_split("test")])
    return Job(
        llm.model, prompts[:questions], llm.stop, slots, llm.pad_token_id
    )


def prompts_of(llm: Any, texts: Sequence[str]) -> list[list[int]]:
    return [llm.encode(llm.format_prompt(text)) for text in texts]


@app.command()
def ladder(
    questions: Annotated[int, typer.Option(min=2, max=1000)] = 256,
    slots: Annotated[int, typer.Option(min=1)] = 64,
    repeats: Annotated[
        int, typer.Option(min=1, help="Turns after the warm-up.")
    ] = 5,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    out: Annotated[Path, typer.Option()] = RESULTS / "ladder.json",
) -> None:
    """Measure every rung and write the record."""
    torch.set_num_threads(threads)
    job = course_job(questions, slots)
    found = record(job, measure(job, repeats), threads)
    for step in found["steps"]:
        gain = "" if step["gain"] is None else f"{step['gain']:.2f}x"
        typer.echo(f"{step['name']:24} {step['cpu_seconds']:7.2f} s {gain}")
    write_json(found, out)
    typer.echo(f"written: {out.name}")


if __name__ == "__main__":
    app()
