"""The rungs of the ladder: decoders that lack one idea or another.

All but the first are the engine with an idea taken away.
`experiments.engine_ablation` measures them; a test holds that all give the
same tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from transformers import (
    AttentionInterface,
    GenerationConfig,
    StoppingCriteria,
    StoppingCriteriaList,
)

from unitconv.inference.old_engine import attention
from unitconv.inference.old_engine.attention import InOnePiece, Own, attend
from unitconv.inference.old_engine.backbone import NewTokens
from unitconv.inference.old_engine.batching import Engine
from unitconv.inference.old_engine.cache import CachePlan, PagedCache
from unitconv.inference.old_engine.rows import Row
from unitconv.inference.old_engine.slots import Slots
from unitconv.inference.reference import (
    GREEDY,
    Completion,
    Decoding,
    Progress,
    StopRule,
    left_pad,
)


@dataclass(frozen=True)
class Job:
    """Requests: what every rung is given."""

    model: Any
    prompts: list[list[int]]
    stop: StopRule
    slots: int
    pad_token_id: int = 0
    settings: Decoding = GREEDY
    samples: int = 1  #: replies to each prompt


Decoder = Callable[[Job], list[list[int]]]


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
        max_new_tokens=job.settings.max_new_tokens,
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

    def _hidden(self, new: NewTokens) -> Tensor:
        # Only now: the prefix is read before, and by the model's own.
        if self.model.config._attn_implementation != NAME:
            self.model.set_attn_implementation(NAME)
        out = self.model.base_model(
            input_ids=new.input_ids,
            position_ids=new.position_ids,
            past_key_values=Written(self.cache),
            use_cache=True,
            slots=self.cache,
        )
        states: Tensor = out.last_hidden_state
        if new.ends is None:
            return states[:, -1]
        return states[torch.arange(len(new.ends)), new.ends]


def by_token(heads: Tensor) -> Tensor:
    """[rows, heads, width, dim] -> [rows * width, heads, dim]."""
    return heads.transpose(1, 2).flatten(0, 1)


class Written:
    """A cache as Transformers' modules expect it."""

    def __init__(self, cache: PagedCache) -> None:
        self.cache = cache

    def update(
        self, key: Tensor, value: Tensor, layer: int, *_: Any
    ) -> tuple[Tensor, Tensor]:
        """Keys and values [rows, kv_heads, width, head_dim]."""
        self.cache.update(by_token(key), by_token(value), layer)
        return key, value


def slot_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    slots: PagedCache,
    **_: Any,
) -> tuple[Tensor, None]:
    """What an attention module calls instead of its own function."""
    layer = module.layer_idx
    own = slots.own(layer, by_token(key), by_token(value))
    out = attend(query * scaling, own, slots.prefix(layer))
    return out, None


AttentionInterface.register(NAME, slot_attention)


class OnePage(ModulesOfTransformers):
    """Each slot is one page, as long as the longest row."""

    def _plan(self, slots: int, memory: int | None) -> CachePlan:
        plan = super()._plan(slots, memory)
        return replace(plan, page=plan.room)


class NothingShared(OnePage):
    """Rows come and go; each reads the whole of its prompt."""

    def _shared(self) -> int:
        return 0


class SlotsOfABatch(Slots):
    """Rows that are done keep their slots until all are."""

    @property
    def free(self) -> int:
        return 0 if self.live else super().free

    def settle(
        self, slots: Sequence[int], drawn: Any, stop: StopRule
    ) -> list[Row]:
        rows = [row for [row] in self.live]
        for row, [tokens] in zip(rows, drawn, strict=True):
            row.take(tokens, stop)
        if len(rows[0].token_ids) == 1:
            self._tell(list(slots))
        if not all(row.done for row in rows):
            return []
        for slot in slots:
            self.cache.pages.release(slot)
        self.live.clear()
        return rows


class Static(NothingShared):
    """A batch stays together until its last row is done."""

    slots_class = SlotsOfABatch


class PrefixInEverySlot(PagedCache):
    """The shared prefix as the first tokens of each slot.

    The engine counts a slot's own tokens from 0; here they begin behind
    the prefix.
    """

    def __init__(
        self, config: Any, plan: CachePlan, device: Any, dtype: torch.dtype
    ) -> None:
        self.front = plan.prefix
        room = plan.prefix + plan.room
        whole = replace(plan, room=room, page=room, prefix=0)
        super().__init__(config, whole, device, dtype)

    def aim(
        self,
        slots: Tensor,
        starts: Tensor,
        width: int,
        length: int,
        pages: int | None = None,
    ) -> None:
        self.length = length + self.front
        self.aimed = self.pages.table[slots, 0] if width > 1 else None
        super().aim(slots, starts + self.front, width, self.length, pages)

    def look_from(self, ends: Tensor) -> None:
        super().look_from(ends + self.front)

    def own(self, layer: int, key: Tensor, value: Tensor) -> Own:
        if self.aimed is None:
            return super().own(layer, key, value)
        # Questions that come in look at the prefix in front of them.
        seen = (layer, self.aimed, slice(None), slice(self.length))
        return InOnePiece(self.keys[seen], self.values[seen], self.mask)

    def store_prefix(self, layers: list[tuple[Tensor, Tensor]]) -> None:
        for layer, (keys, values) in enumerate(layers):
            self.keys[layer, :, :, : self.front] = keys
            self.values[layer, :, :, : self.front] = values

    def _wipe(self, pages: slice) -> None:
        self.keys[:, pages, :, self.front :] = 0
        self.values[:, pages, :, self.front :] = 0


class PrefixCopied(OnePage):
    """The prefix is read once and lies in every slot: each row attends to
    a copy of its own."""

    def _allocate(self, plan: CachePlan) -> PagedCache:
        return PrefixInEverySlot(
            self.model.config, plan, self.device, self.model.dtype
        )


class EveryTokenToTheTop(Engine):
    """All tokens of a question pass through the last layer."""

    def _hidden(self, new: NewTokens) -> Tensor:
        states = super()._hidden(new._replace(ends=None))
        if new.ends is None:
            return states
        rows, width = new.input_ids.shape
        return states[torch.arange(rows) * width + new.ends]


class ASlotForEachSample(Engine):
    """Samples of a question part before their first token."""

    together = False


def by(kind: type[Engine]) -> Decoder:
    """The engine, or what is left of it without an idea."""

    def decode(job: Job) -> list[list[int]]:
        limits = [job.settings.max_new_tokens] * len(job.prompts)
        engine = kind(
            *(job.model, job.prompts, job.settings, job.samples),
            *(job.slots, limits),
        )
        done = engine.run(job.stop, None)
        return [reply.token_ids for row in done for reply in row]

    return decode


def untouched(kind: type[Engine]) -> Decoder:
    """The same, with attention weights as small as a softmax makes them."""
    decode = by(kind)

    def slowly(job: Job) -> list[list[int]]:
        with patch.object(attention, "without_subnormals"):
            return decode(job)

    return slowly


STEPS: dict[str, Decoder] = {
    "transformers.generate": by_generate,
    "cache written in place": untouched(Static),
    "slots are refilled": untouched(NothingShared),
    "prefix read once": untouched(PrefixCopied),
    "prefix attended once": untouched(OnePage),
    "cache lies in pages": untouched(ModulesOfTransformers),
    "layers of its own": untouched(EveryTokenToTheTop),
    "last layer for last tokens": untouched(Engine),
    "no subnormal weights": by(Engine),
}

#: Of a job with several samples a question.
ROLLOUT_STEPS: dict[str, Decoder] = {
    "a slot for each sample": by(ASlotForEachSample),
    "a slot until samples part": by(Engine),
}
