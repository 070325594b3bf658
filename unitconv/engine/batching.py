"""Continuous batching: rows come and go, the batch stays full.

A finished row leaves at once and a waiting prompt takes its slot (Yu et
al. 2022, "Orca", OSDI). What all prompts begin with is computed once, and
a question is read once for all of its samples. The tokens are those of the
reference decoder: a row's noise is a hash of its own request
(`unitconv.sampling`), so neither slots nor neighbours show in its text.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unitconv.decoding import (
    Completion,
    Decoding,
    Progress,
    StopRule,
    choose,
    prefill,
)
from unitconv.engine.backbone import run_backbone
from unitconv.engine.cache import (
    CachePlan,
    SlotCache,
    memory_budget,
    plan_cache,
)
from unitconv.engine.graphs import recorded
from unitconv.engine.models import logits_of, without_adapter
from unitconv.sampling import row_key

#: A shorter prefix is not worth a second product in every layer.
SHORTEST_PREFIX = 8
#: Steps taken before the host looks at the tokens, which stops a GPU.
BURST = {"cuda": 8}
#: Tokens of prompts read at once; more would only cost memory.
PREFILL_TOKENS = 8192


@dataclass
class Row:
    """One completion in the making."""

    prompt: int  #: its number among the prompts
    key: int
    limit: int
    token_ids: list[int] = field(default_factory=list)
    finished: bool = False

    @property
    def done(self) -> bool:
        """At its end, or at its limit."""
        return self.finished or len(self.token_ids) >= self.limit

    def take(self, tokens: list[int], stop: StopRule) -> None:
        """Add tokens up to the end; what comes after it is dropped."""
        for token in tokens:
            if self.done:
                break
            self.token_ids.append(token)
            self.finished = stop(self.token_ids)


@dataclass(frozen=True)
class Pass:
    """One pass of the model, as `observe` is told of it."""

    kind: str  #: "prefix", "prefill" or "decode"
    prompts: list[int]  #: whose token each row reads, by number
    width: int  #: tokens a row
    own: int  #: own tokens in the cache after it, of all rows together


Observer = Callable[[Pass], None]


def shared_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with.

    At least one token of each prompt stays outside: the logits after its
    last token are the row's own. A single prompt shares with nobody.
    """
    if len(prompts) < 2:
        return 0
    # The first and the last in order differ as early as any two.
    first, last = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    same = next(
        (i for i in range(limit) if first[i] != last[i]), max(limit, 0)
    )
    return same if same >= SHORTEST_PREFIX else 0


class Engine:
    """The state of one run: who waits, who is live, and the cache.

    Live rows are the first slots, without a hole. Between two passes a
    slot's state is its column of four numbers.
    """

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
        self.device = torch.device(model.device)
        self.settings = settings
        self.n = num_return_sequences
        self.burst = BURST.get(self.device.type, 1)
        self.prompts = prompts
        self.prefix = self._shared()
        self.rows = self._rows(limits)
        self.cache = self._allocate(self._plan(slots, memory))
        self.slots = self.cache.plan.slots - self.spare
        self.waiting = deque(self.rows)
        self.live: list[Row] = []
        self.state = torch.zeros(
            (4, self.slots), dtype=torch.long, device=self.device
        )
        # The token to be read next; how many own tokens the cache holds;
        # how many were generated; the key of the row's noise.
        self.tokens, self.lengths, self.counts, self.keys = self.state
        self.advance = recorded(
            *(self.step, self.slots, self.cache.plan.room),
            *(self.state, self.device),
        )
        # The question in the spare slot, and the logits after it.
        self.held: int | None = None
        self.held_logits = torch.empty(0)

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
        room = max(self._own_length(row) + row.limit for row in self.rows)
        return plan_cache(
            self.model.config,
            self.model.dtype,
            min(slots, len(self.rows)) + self.spare,
            room,
            self.prefix,
            memory_budget(self.device) if memory is None else memory,
            least=1 + self.spare,
        )

    def _allocate(self, plan: CachePlan) -> SlotCache:
        return SlotCache(
            self.model.config, plan, self.device, self.model.dtype
        )

    def _own_length(self, row: Row) -> int:
        """Tokens of a row's prompt that are not in the prefix."""
        return len(self.prompts[row.prompt]) - self.prefix

    @torch.inference_mode()
    def run(
        self, stop: StopRule, progress: Progress | None
    ) -> list[list[Completion]]:
        """Decode everything; for each prompt its completions, in order."""
        if self.prefix:
            self._read_prefix()
        left = Counter(row.prompt for row in self.rows)
        while self.waiting or self.live:
            if self.waiting and len(self.live) < self.slots:
                rows, tokens = self.admit()
            else:
                rows, tokens = self.live, self.decode()
            for row, token in zip(rows, tokens.tolist(), strict=True):
                row.take(token, stop)
            for row in self.retire():
                left[row.prompt] -= 1
                if progress is not None and not left[row.prompt]:
                    progress(1)
        return self._completions()

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

    def admit(self) -> tuple[list[Row], Tensor]:
        """Waiting rows take the free slots: the rows, and their first
        tokens [rows, 1]."""
        first = len(self.live)
        free = min(self.slots - first, len(self.waiting))
        rows = [self.waiting.popleft() for _ in range(free)]
        logits = self._seat(rows, first)
        span = slice(first, first + free)
        self.lengths[span] = self._tensor(
            [self._own_length(r) for r in rows]
        )
        self.keys[span] = self._tensor([row.key for row in rows])
        self.counts[span] = 0
        self.tokens[span] = self._choose(logits, span)
        self.live += rows
        return rows, self.tokens[span, None]

    def _seat(self, rows: list[Row], first: int) -> Tensor:
        """Put each row's question in its slot: logits [rows, vocabulary].

        A question is read once and its slot copied to all of its samples.
        If some of them find no slot free, it waits for them in the spare.
        """
        questions = list(dict.fromkeys(row.prompt for row in rows))
        fresh = [q for q in questions if q != self.held]
        sources = [self.slots] * (len(questions) - len(fresh))
        sources += range(first, first + len(fresh))
        known = [self.held_logits] if len(fresh) < len(questions) else []
        logits = torch.cat(known + self._read(fresh, first))
        place = {question: i for i, question in enumerate(questions)}
        which = [place[row.prompt] for row in rows]
        targets = list(range(first, first + len(rows)))
        longest = max(self._own_length(row) for row in rows)
        self._copy([sources[i] for i in which], targets, longest)
        if self.waiting and self.waiting[0].prompt == questions[-1]:
            self._copy([targets[-1]], [self.slots], longest)
            self.held, self.held_logits = questions[-1], logits[-1:]
        return logits[self._tensor(which)]

    def _read(self, questions: list[int], first: int) -> list[Tensor]:
        """Prefill questions into slots first, first + 1, ...: the logits
        after each, in parts [some questions, vocabulary]."""
        own = [self.prompts[q][self.prefix :] for q in questions]
        width = max(map(len, own), default=1)
        most = max(1, PREFILL_TOKENS // width)
        parts = []
        for i in range(0, len(own), most):
            some = own[i : i + most]
            parts.append(self._prefill(some, first + i))
            width, total = max(map(len, some)), sum(map(len, some))
            asked = questions[i : i + most]
            self.observe(Pass("prefill", asked, width, total))
        return parts

    def _prefill(self, own: list[list[int]], first: int) -> Tensor:
        """One pass over whole questions, padded on the right.

        What padding writes to a slot lies behind the row's last token: no
        token sees it before another has been written over it.
        """
        width = max(map(len, own))
        padded = [[*ids, *[0] * (width - len(ids))] for ids in own]
        input_ids = self._tensor(padded)
        self.cache.aim(first, input_ids.new_zeros(len(own)), width, width)
        places = torch.arange(width, device=self.device).expand(
            len(own), -1
        )
        hidden = self._hidden(input_ids, self.prefix + places)
        ends = self._tensor([len(ids) - 1 for ids in own])
        rows = torch.arange(len(own), device=self.device)
        return logits_of(self.model, hidden[rows, ends])

    def _hidden(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """The rows the cache is aimed at: [rows, width, hidden]."""
        return run_backbone(self.model, input_ids, position_ids, self.cache)

    def decode(self) -> Tensor:
        """The next tokens of every live row: [rows, burst]."""
        rows = len(self.live)
        lengths = [
            self._own_length(row) + len(row.token_ids) for row in self.live
        ]
        tokens = []
        for i in range(self.burst):
            length = min(max(lengths) + i, self.cache.plan.room)
            tokens.append(self.advance(rows, length).clone())
            asked = [row.prompt for row in self.live]
            self.observe(Pass("decode", asked, 1, sum(lengths) + rows * i))
        return torch.stack(tokens, dim=1)

    def step(self, rows: int, length: int) -> Tensor:
        """Read one token of each row and choose the next: [rows].

        Args:
            length: own tokens of the longest row, the one read included.
        """
        span = slice(0, rows)
        starts = self.lengths[span]
        self.cache.aim(0, starts, 1, length)
        hidden = self._hidden(
            self.tokens[span, None], self.prefix + starts[:, None]
        )
        self.lengths[span] += 1
        self.counts[span] += 1
        logits = logits_of(self.model, hidden[:, -1])
        self.tokens[span] = self._choose(logits, span)
        return self.tokens[span]

    def _choose(self, logits: Tensor, span: slice) -> Tensor:
        return choose(
            logits, self.settings, self.keys[span], self.counts[span]
        )

    def retire(self) -> list[Row]:
        """Finished rows leave; the last live ones move into their slots."""
        gone = [row for row in self.live if row.done]
        stay = len(self.live) - len(gone)
        holes = [i for i in range(stay) if self.live[i].done]
        movers = [
            i for i in range(stay, len(self.live)) if not self.live[i].done
        ]
        if movers:
            longest = max(
                self._own_length(self.live[i]) + len(self.live[i].token_ids)
                for i in movers
            )
            self._copy(movers, holes, longest)
            self.state[:, holes] = self.state[:, movers]
        for hole, mover in zip(holes, movers, strict=True):
            self.live[hole] = self.live[mover]
        del self.live[stay:]
        return gone

    def _copy(
        self, sources: list[int], targets: list[int], length: int
    ) -> None:
        if sources != targets:
            self.cache.copy(
                self._tensor(sources), self._tensor(targets), length
            )

    def _tensor(self, numbers: Any) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self.device)
