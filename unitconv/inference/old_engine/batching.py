"""Continuous batching: rows come and go, the batch stays full.

A finished row leaves at once and a waiting prompt takes its slot (Yu et
al. 2022, "Orca", OSDI). What all prompts begin with is computed once, and
samples of a question share a slot until they draw different tokens. The
tokens are those of the reference decoder: a row's noise is a hash of its
own request (`unitconv.inference.sampling`), so neither slots nor neighbours
show in its text.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unitconv.inference.old_engine.backbone import Backbone, NewTokens
from unitconv.inference.old_engine.cache import (
    PAGE,
    CachePlan,
    PagedCache,
    memory_budget,
    plan_cache,
)
from unitconv.inference.old_engine.graphs import recorded
from unitconv.inference.old_engine.head import Head
from unitconv.inference.old_engine.models import without_adapter
from unitconv.inference.old_engine.rows import Branch, Row, shared_prefix
from unitconv.inference.old_engine.slots import Slots
from unitconv.inference.reference import (
    Completion,
    Decoding,
    Progress,
    StopRule,
    choose,
    prefill,
)
from unitconv.inference.sampling import greedy, row_key

#: Steps taken before the host looks at the tokens, which stops a GPU. Rows
#: share a slot only where it looks at each step, since it parts them.
BURST = {"cuda": 8}
#: The share of slots that is free before waiting rows come in, since a pass
#: over one question takes a third of the time that one over ten takes. With
#: 250 slots the questions that come in then fit into one pass.
ENOUGH = 1 / 16
#: Tokens of prompts read at once. What a layer makes of more would outgrow
#: the cache of a CPU's core, and only cost memory elsewhere.
PREFILL_TOKENS = {"cuda": 8192, "cpu": 512}


@dataclass(frozen=True)
class Pass:
    """One pass of the model, as `observe` is told of it."""

    kind: str  #: "prefix", "prefill" or "decode"
    prompts: list[int]  #: whose token each slot reads, by number
    width: int  #: tokens a slot
    own: int  #: own tokens in the cache after it, of all slots together


Observer = Callable[[Pass], None]


class Engine:
    """One run: who waits, who is live, and what the model is given."""

    slots_class: type[Slots] = Slots

    def __init__(
        self,
        model: Any,
        prompts: Sequence[list[int]],
        settings: Decoding,
        num_return_sequences: int,
        slots: int,
        limits: Sequence[int],
        memory: int | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.observe = observe or (lambda _: None)
        self.model = without_adapter(model)
        self.backbone = Backbone(self.model)
        self.device = torch.device(model.device)
        self.settings = settings
        self.head = Head(self.model.get_output_embeddings())
        self.n = num_return_sequences
        self.burst = BURST.get(self.device.type, 1)
        self.prompts = prompts
        self.prefix = self._shared()
        self.rows = self._rows(limits)
        self.cache = self._allocate(self._plan(slots, memory))
        self.slots = self.slots_class(
            *(self.cache.plan.slots - self.spare, self.n, self.cache),
            *(self._own_length, self.together, self.device),
        )
        self.waiting = deque(self.rows)
        self.advance = recorded(
            *(self.step, self.slots.count, self.cache.plan),
            *(self.slots.state, self.device),
        )
        # The question in the spare slot, and the logits after it.
        self.held: int | None = None
        self.held_logits = torch.empty(0)

    @property
    def together(self) -> bool:
        """Do samples share a slot until they part?"""
        return self.burst == 1

    @property
    def spare(self) -> int:
        """One slot more keeps a question for samples that still wait."""
        return int(self.n > 1)

    def _shared(self) -> int:
        return shared_prefix(self.prompts)

    def _rows(self, limits: Sequence[int]) -> list[Row]:
        """Short prompts first: those read together are of one length."""
        seed = self.settings.seed
        order = sorted(
            range(len(limits)), key=lambda i: len(self.prompts[i])
        )
        return [
            Row(i, row_key(seed, self.prompts[i], sample), limits[i])
            for i in order
            for sample in range(self.n)
        ]

    def _plan(self, slots: int, memory: int | None) -> CachePlan:
        room = max(
            self._own_length(row.prompt) + row.limit for row in self.rows
        )
        return plan_cache(
            self.model.config,
            self.model.dtype,
            min(slots, len(self.rows)) + self.spare,
            room,
            self.prefix,
            memory_budget(self.device) if memory is None else memory,
            least=1 + self.spare,
            page=PAGE.get(self.device.type, PAGE["cpu"]),
        )

    def _allocate(self, plan: CachePlan) -> PagedCache:
        return PagedCache(
            self.model.config, plan, self.device, self.model.dtype
        )

    def _own_length(self, prompt: int) -> int:
        """Tokens of a prompt that are not in the prefix."""
        return len(self.prompts[prompt]) - self.prefix

    @torch.inference_mode()
    def run(
        self, stop: StopRule, progress: Progress | None
    ) -> list[list[Completion]]:
        """Decode everything; for each prompt its completions, in order."""
        if self.prefix:
            self._read_prefix()
        left = Counter(row.prompt for row in self.rows)
        while self.waiting or any(self.slots.live):
            if self._may_come_in():
                slots, drawn = self.admit()
            else:
                slots, drawn = self.decode()
            for row in self.slots.settle(slots, drawn.tolist(), stop):
                left[row.prompt] -= 1
                if progress is not None and not left[row.prompt]:
                    progress(1)
        return self._completions()

    def _may_come_in(self) -> bool:
        """Are so many slots free that a pass over questions is worth it?"""
        enough = min(self.slots.count * ENOUGH, len(self.waiting))
        return bool(self.waiting) and self.slots.free >= max(enough, 1)

    def _completions(self) -> list[list[Completion]]:
        done: list[list[Completion]] = [[] for _ in self.prompts]
        for row in self.rows:  # samples of a prompt are in their order
            done[row.prompt].append(Completion(row.token_ids, row.finished))
        return done

    def _read_prefix(self) -> None:
        tokens = list(self.prompts[0][: self.prefix])
        input_ids = torch.tensor([tokens], device=self.device)
        _, cache = prefill(self.model, input_ids)
        self.observe(Pass("prefix", [], self.prefix, 0))
        self.cache.store_prefix(
            [(layer.keys, layer.values) for layer in cache.layers]
        )

    def admit(self) -> tuple[list[int], Tensor]:
        """Waiting rows come in, one branch a question: its slot, and the
        first tokens of its rows [branches, n, 1]."""
        branches: dict[int, Branch] = {}
        for _ in range(min(self.slots.free, len(self.waiting))):
            row = self.waiting.popleft()
            branches.setdefault(row.prompt, []).append(row)
        slots = self.slots.vacant(len(branches))
        logits = self._seat(list(branches), slots)
        for slot, branch in zip(slots, branches.values(), strict=True):
            self.slots.live[slot] = branch
        keys = self.slots.tensor(
            [self.slots.row_keys(branch) for branch in branches.values()]
        )
        first = torch.zeros_like(keys[:, :1])
        return slots, self._choose(logits, keys, first)[..., None]

    def _seat(self, questions: list[int], slots: list[int]) -> Tensor:
        """Put each question in its slot: logits [questions, vocabulary].

        One whose samples do not all come in waits in the spare slot for
        those that come later.
        """
        known = []
        if questions[0] == self.held:
            length = self._own_length(questions[0])
            self.cache.copy([self.slots.count], slots[:1], [length])
            known = [self.held_logits]
        fresh = slice(len(known), None)
        logits = torch.cat(
            known + self._read(questions[fresh], slots[fresh])
        )
        if self.waiting and self.waiting[0].prompt == questions[-1]:
            length = self._own_length(questions[-1])
            self.cache.copy(slots[-1:], [self.slots.count], [length])
            self.held, self.held_logits = questions[-1], logits[-1:]
        return logits

    def _read(self, questions: list[int], slots: list[int]) -> list[Tensor]:
        """Prefill questions: the logits after each, in parts
        [some questions, vocabulary]."""
        own = [self.prompts[q][self.prefix :] for q in questions]
        width = max(map(len, own), default=1)
        kind = "cpu" if self.device.type == "cpu" else "cuda"
        most = max(1, PREFILL_TOKENS[kind] // width)
        parts = []
        for i in range(0, len(own), most):
            some = own[i : i + most]
            parts.append(self._prefill(some, slots[i : i + most]))
            width, total = max(map(len, some)), sum(map(len, some))
            asked = questions[i : i + most]
            self.observe(Pass("prefill", asked, width, total))
        return parts

    def _prefill(self, own: list[list[int]], slots: list[int]) -> Tensor:
        """One pass over whole questions, padded on the right.

        What padding writes to a slot lies behind the row's last token: no
        token sees it before another has been written over it.
        """
        self.cache.reserve(slots, list(map(len, own)))
        width = max(map(len, own))
        padded = [[*ids, *[0] * (width - len(ids))] for ids in own]
        input_ids = self.slots.tensor(padded)
        starts = torch.zeros_like(input_ids[:, 0])
        self.cache.aim(self.slots.tensor(slots), starts, width, width)
        places = torch.arange(width, device=self.device).expand(
            len(own), -1
        )
        ends = self.slots.tensor([len(ids) - 1 for ids in own])
        new = NewTokens(input_ids, self.prefix + places, ends)
        return self.head(self._hidden(new))

    def _hidden(self, new: NewTokens) -> Tensor:
        """Of the last token of each row the cache is aimed at: [rows,
        hidden]."""
        return self.backbone(new, self.cache)

    def decode(self) -> tuple[list[int], Tensor]:
        """The next tokens of the rows of every slot: [slots, n, burst]."""
        self.slots.close_up()
        live, rows = self.slots.live, len(self.slots.live)
        lengths = [self.slots.length(branch) for branch in live]
        room = self.cache.plan.room
        ends = [min(length + self.burst - 1, room) for length in lengths]
        self.cache.reserve(range(rows), ends)
        asked = [branch[0].prompt for branch in live]
        drawn = []
        for i in range(self.burst):
            length = min(max(lengths) + i, room)
            pages = self.cache.pages.end
            drawn.append(self.advance(rows, length, pages).clone())
            self.observe(Pass("decode", asked, 1, sum(lengths) + rows * i))
        return list(range(rows)), torch.stack(drawn, dim=-1)

    def step(self, rows: int, length: int, pages: int) -> Tensor:
        """Read one token of each slot, and draw the next of its rows.

        Args:
            rows: as many slots, from the first one on.
            length: own tokens of the longest, the one read included.
            pages: of the cache, from the first one on.

        Returns:
            [slots, as many as the widest of them has rows].
        """
        span, slots = slice(0, rows), self.slots
        starts = slots.lengths[span]
        first = torch.arange(rows, device=self.device)
        self.cache.aim(first, starts, 1, length, pages)
        hidden = self._hidden(
            NewTokens(
                slots.tokens[span, None], self.prefix + starts[:, None]
            )
        )
        slots.lengths[span] += 1
        slots.counts[span] += 1
        keys = slots.keys[span, : slots.widest]
        position = slots.counts[span, None]
        if self.settings.temperature == 0:
            drawn = self.head.most_likely(hidden)[:, None].expand_as(keys)
        else:
            drawn = choose(self.head(hidden), self.settings, keys, position)
        slots.tokens[span] = drawn[:, 0]
        return drawn

    def _choose(
        self, logits: Tensor, keys: Tensor, position: Tensor
    ) -> Tensor:
        """A token for each key [slots, n]; greedy they are all the same."""
        if self.settings.temperature == 0:
            return greedy(logits)[:, None].expand_as(keys)
        return choose(logits, self.settings, keys, position)
