"""Continuous batching over a shared prefix.

1. **Slots.** The KV cache is allocated once. A finished request frees its
   slot, and a waiting request takes it (Yu et al. 2022, "Orca", OSDI).
2. **Shared prefix.** The tokens that all prompts begin with are computed
   once, stored once, and attended to by all rows in one matrix product.
3. **Forking.** Samples of one prompt share a slot until they draw
   different tokens; then the slot is copied.

The tokens are those of the reference decoders: the noise of a request is a
hash of the request alone (`unitconv.inference.sampling`), so neither slots
nor neighbours change its tokens.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from unitconv.inference.attention import (
    IMPLEMENTATION,
    UnsupportedModelError,
)
from unitconv.inference.kv_cache import (
    CachePlan,
    SlotCache,
    bytes_per_token,
    memory_budget,
)
from unitconv.inference.reference import (
    BATCH_SIZE,
    Completion,
    Decoding,
    Progress,
    StopRule,
    choose,
    prefill,
    token_limit,
)
from unitconv.inference.sampling import greedy, row_key

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

#: Prompt tokens per prefill pass, padding included; bounds its memory.
PREFILL_TOKENS = 512
#: A shorter shared prefix is not worth a second matrix product per layer.
SHORTEST_PREFIX = 8
#: The share of slots that must be free before requests are admitted: a
#: prefill of one prompt takes a third of the time of a prefill of ten.
REFILL_SHARE = 1 / 16


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass of the model, as reported to `observe`."""

    kind: Literal["prefix", "prefill", "decode"]
    prompts: list[int]  #: the prompt in each slot, by its index
    width: int  #: tokens computed per slot, padding included
    own_tokens: int  #: cached tokens of these slots after it, no prefix


@dataclass(frozen=True)
class EngineOptions:
    """Settings of a run that change its speed and memory, not its tokens.

    Attributes:
        slots: sequences decoded together.
        memory: bytes the KV cache may take; by default a share of what is
            free. Where fewer slots fit, more requests wait.
        limits: new tokens of each prompt, where they differ; by default
            `Decoding.max_new_tokens` for all.
        progress: called with the number of prompts just finished.
        observe: called after each forward pass.
    """

    slots: int = BATCH_SIZE
    memory: int | None = None
    limits: Sequence[int] | None = None
    progress: Progress | None = None
    observe: Callable[[ForwardPass], None] | None = None


@dataclass
class Request:
    """One completion that is being generated."""

    prompt: int  #: index into the prompts
    key: int  #: of its noise
    limit: int
    token_ids: list[int] = field(default_factory=list)
    stopped: bool = False

    @property
    def done(self) -> bool:
        """Whether it was stopped or is at its token limit."""
        return self.stopped or len(self.token_ids) >= self.limit


class Engine:
    """Generates completions for many prompts in a fixed number of slots.

    Args:
        model: a Transformers model, perhaps with LoRA layers inside.
        prompts: token ids, none of them empty.
        num_return_sequences: completions of each prompt.

    Raises:
        ContextError: a prompt is empty or longer than the context.
        CacheError: the cache of not even one request fits in memory.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[Sequence[int]],
        settings: Decoding,
        num_return_sequences: int,
        options: EngineOptions,
    ) -> None:
        self.model, self.settings, self.options = model, settings, options
        self.device = torch.device(model.device)
        prefix = shared_prefix_length(prompts)
        self.prefix_ids = list(prompts[0][:prefix])
        self.suffixes = [list(prompt[prefix:]) for prompt in prompts]
        limits = options.limits or [settings.max_new_tokens] * len(prompts)
        # Short prompts first: little padding among those read together.
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        self.requests = [
            Request(
                prompt=i,
                key=row_key(settings.seed, prompts[i], sample),
                limit=token_limit(model, prompts[i], limits[i]),
            )
            for i in order
            for sample in range(num_return_sequences)
        ]
        # One more slot keeps a prompt some of whose samples still wait.
        spare = int(num_return_sequences > 1)
        plan = self._plan_cache(spare)
        self.slots = plan.slots - spare
        self.cache = SlotCache(model.config, plan, self.device, model.dtype)
        #: Slot -> the requests that share it; slots in use come first.
        self.groups: list[list[Request]] = []
        self.waiting = deque(self.requests)
        #: The prompt in the spare slot, and the logits after it.
        self.kept: tuple[int, Tensor] | None = None

    def _plan_cache(self, spare: int) -> CachePlan:
        plan = CachePlan(
            slots=min(self.options.slots, len(self.requests)) + spare,
            slot_tokens=max(
                len(self.suffixes[request.prompt]) + request.limit
                for request in self.requests
            ),
            prefix_tokens=len(self.prefix_ids),
            bytes_per_token=bytes_per_token(
                self.model.config, self.model.dtype
            ),
        )
        budget = self.options.memory
        if budget is None:
            budget = memory_budget(self.device)
        plan = plan.fit(budget, at_least=1 + spare)
        log.info("%s", plan)
        return plan

    @torch.inference_mode()
    def run(self, stop: StopRule) -> list[list[Completion]]:
        """Generate all completions; for each prompt, in order."""
        unfinished = Counter(request.prompt for request in self.requests)
        implementation = self.model.config._attn_implementation
        try:
            if self.prefix_ids:
                self._prefill_prefix()
            self.model.set_attn_implementation(IMPLEMENTATION)
            while self.waiting or self.groups:
                if self._should_admit():
                    finished = self._admit(stop)
                else:
                    finished = self._decode(stop)
                for request in finished:
                    unfinished[request.prompt] -= 1
                    if self.options.progress and (
                        unfinished[request.prompt] == 0
                    ):
                        self.options.progress(1)
        finally:
            self.model.set_attn_implementation(implementation)
        completions: list[list[Completion]] = [[] for _ in self.suffixes]
        for request in self.requests:
            completions[request.prompt].append(
                Completion(request.token_ids, request.stopped)
            )
        return completions

    @property
    def _free(self) -> int:
        """Requests that may be admitted; each may come to need a slot."""
        return self.slots - sum(map(len, self.groups))

    def _should_admit(self) -> bool:
        enough = min(self.slots * REFILL_SHARE, len(self.waiting))
        return bool(self.waiting) and self._free >= max(enough, 1)

    def _prefill_prefix(self) -> None:
        input_ids = torch.tensor([self.prefix_ids], device=self.device)
        _, cache = prefill(self.model, input_ids)
        self.cache.prefix = [
            (layer.keys[0], layer.values[0]) for layer in cache.layers
        ]
        self._report("prefix", [], input_ids.shape[1], 0)

    def _admit(self, stop: StopRule) -> list[Request]:
        """Prefill waiting prompts into slots and draw their first tokens.

        A prompt whose samples are not all admitted is kept in the spare
        slot for those that come later.
        """
        groups: dict[int, list[Request]] = {}
        for _ in range(min(self._free, len(self.waiting))):
            request = self.waiting.popleft()
            groups.setdefault(request.prompt, []).append(request)
        prompts = list(groups)
        first_slot = len(self.groups)
        self.groups += groups.values()
        logits = []
        if self.kept and self.kept[0] == prompts[0]:
            length = len(self.suffixes[prompts[0]])
            self.cache.copy(self.slots, first_slot, length)
            logits.append(self.kept[1])
        unread = prompts[len(logits) :]
        logits += self._prefill(unread, first_slot + len(logits))
        if self.waiting and self.waiting[0].prompt == prompts[-1]:
            length = len(self.suffixes[prompts[-1]])
            self.cache.copy(len(self.groups) - 1, self.slots, length)
            self.kept = prompts[-1], logits[-1][-1:]
        return self._sample(first_slot, torch.cat(logits), stop)

    def _prefill(self, prompts: list[int], first_slot: int) -> list[Tensor]:
        """Compute prompts in passes of about `PREFILL_TOKENS` tokens.

        Prompts are padded on the right. Padding is written behind a
        prompt's last token, where new tokens overwrite it.

        Returns:
            the logits after each prompt, in parts [rows, vocabulary].
        """
        suffixes = [self.suffixes[prompt] for prompt in prompts]
        widest = max(map(len, suffixes), default=1)
        step = max(1, PREFILL_TOKENS // widest)
        logits = []
        for i in range(0, len(prompts), step):
            part = suffixes[i : i + step]
            width = max(map(len, part))
            self.cache.begin_prefill(first_slot + i, len(part), width)
            ids = [[*ids, *[0] * (width - len(ids))] for ids in part]
            last = [[len(ids) - 1] for ids in part]
            logits.append(self._forward(ids, last))
            self._report(
                "prefill", prompts[i : i + step], width, sum(map(len, part))
            )
        return logits

    def _decode(self, stop: StopRule) -> list[Request]:
        """Append each slot's last token and draw the next ones."""
        lengths = [self._length(group) - 1 for group in self.groups]
        self.cache.begin_decode(lengths)
        ids = [group[0].token_ids[-1:] for group in self.groups]
        logits = self._forward(ids, last=[[0]] * len(ids))
        prompts = [group[0].prompt for group in self.groups]
        self._report("decode", prompts, 1, sum(lengths) + len(lengths))
        return self._sample(0, logits, stop)

    def _forward(
        self, ids: list[list[int]], last: list[list[int]]
    ) -> Tensor:
        """Run the model on new tokens of the slots the cache prepared.

        Args:
            ids: [rows, width].
            last: [rows, 1], the index of each row's last token.

        Returns:
            logits after the last tokens, [rows, vocabulary].

        Raises:
            UnsupportedModelError: a layer did not use the cache.
        """
        out = self.model(
            input_ids=torch.tensor(ids, device=self.device),
            position_ids=len(self.prefix_ids) + self.cache.positions,
            use_cache=False,
            logits_to_keep=torch.tensor(last, device=self.device),
            slot_cache=self.cache,
        )
        if self.cache.layers_written != len(self.cache.keys):
            raise UnsupportedModelError(
                "not all its layers use the attention interface"
            )
        logits: Tensor = out.logits[:, 0]
        return logits

    def _length(self, group: list[Request]) -> int:
        """Own tokens of a slot, the one to be computed next included."""
        request = group[0]
        return len(self.suffixes[request.prompt]) + len(request.token_ids)

    def _sample(
        self, first_slot: int, logits: Tensor, stop: StopRule
    ) -> list[Request]:
        """Draw a token for each request of some slots; fork and free slots.

        Args:
            logits: [slots, vocabulary], of the slots from `first_slot` on.

        Returns:
            the requests that are done.
        """
        groups = self.groups[first_slot : first_slot + len(logits)]
        finished: list[Request] = []
        forks: list[tuple[int, list[Request]]] = []
        for slot, (group, tokens) in enumerate(
            zip(groups, self._choose(groups, logits), strict=True),
            first_slot,
        ):
            by_token: dict[int, list[Request]] = {}
            for request, token in zip(group, tokens, strict=False):
                request.token_ids.append(token)
                request.stopped = stop(request.token_ids)
                if request.done:
                    finished.append(request)
                else:
                    by_token.setdefault(token, []).append(request)
            self.groups[slot], *others = by_token.values() or [[]]
            forks += [(slot, other) for other in others]
        for source, group in forks:
            self._place(source, group)
        self._compact()
        return finished

    def _choose(
        self, groups: list[list[Request]], logits: Tensor
    ) -> list[list[int]]:
        """Choose the next token of each request of each group."""
        widest = max(map(len, groups))
        if self.settings.temperature == 0:
            return [[token] * widest for token in greedy(logits).tolist()]
        keys = [
            [r.key for r in group] + [0] * (widest - len(group))
            for group in groups
        ]
        positions = [[len(group[0].token_ids)] for group in groups]
        drawn: list[list[int]] = choose(
            logits,
            self.settings,
            torch.tensor(keys, device=self.device),
            torch.tensor(positions, device=self.device),
        ).tolist()
        return drawn

    def _place(self, source: int, group: list[Request]) -> None:
        """Copy a slot for those of its requests that drew another token."""
        slot = next(
            (i for i, other in enumerate(self.groups) if not other),
            len(self.groups),
        )
        if slot == len(self.groups):
            self.groups.append([])
        self.groups[slot] = group
        self.cache.copy(source, slot, self._length(group) - 1)

    def _compact(self) -> None:
        """Move the last groups to free slots, so used slots come first."""
        used = sum(map(bool, self.groups))
        for i in range(used, len(self.groups)):
            if self.groups[i]:
                self._place(i, self.groups[i])
        del self.groups[used:]

    def _report(
        self,
        kind: Literal["prefix", "prefill", "decode"],
        prompts: list[int],
        width: int,
        own_tokens: int,
    ) -> None:
        if self.options.observe is not None:
            self.options.observe(
                ForwardPass(kind, prompts, width, own_tokens)
            )


def shared_prefix_length(prompts: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all prompts begin with.

    At least one token of each prompt is left over, as the logits after
    its last token are its own. A prefix shorter than `SHORTEST_PREFIX`
    counts as none, and so does that of a single prompt.
    """
    if len(prompts) < 2:
        return 0
    # The first and the last in order differ as early as any two.
    first, last = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    same = next((i for i in range(limit) if first[i] != last[i]), limit)
    return same if same >= SHORTEST_PREFIX else 0
