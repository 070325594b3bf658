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
        #: Prompt -> its completions that are not done.
        self.unfinished = Counter(r.prompt for r in self.requests)
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
        return plan.fit(budget, at_least=1 + spare)

    @torch.inference_mode()
    def run(self, stop: StopRule) -> list[list[Completion]]:
        """Generate all completions; for each prompt, in order."""
        implementation = self.model.config._attn_implementation
        try:
            if self.prefix_ids:
                self._prefill_prefix()
            self.model.set_attn_implementation(IMPLEMENTATION)
            while self.waiting or self.groups:
                free = self.slots - sum(map(len, self.groups))
                enough = min(self.slots * REFILL_SHARE, len(self.waiting))
                if self.waiting and free >= max(enough, 1):
                    self._admit(free, stop)
                else:
                    self._decode(stop)
        finally:
            self.model.set_attn_implementation(implementation)
        completions: list[list[Completion]] = [[] for _ in self.suffixes]
        for request in self.requests:
            completions[request.prompt].append(
                Completion(request.token_ids, request.stopped)
            )
        return completions

    def _prefill_prefix(self) -> None:
        input_ids = torch.tensor([self.prefix_ids], device=self.device)
        _, cache = prefill(self.model, input_ids)
        self.cache.prefix = [
            (layer.keys[0], layer.values[0]) for layer in cache.layers
        ]
        if self.options.observe is not None:
            width = len(self.prefix_ids)
            self.options.observe(ForwardPass("prefix", [], width, 0))

    def _admit(self, free: int, stop: StopRule) -> None:
        """Prefill waiting prompts into slots and draw their first tokens.

        A prompt whose samples are not all admitted is kept in the spare
        slot for those that come later.
        """
        groups: dict[int, list[Request]] = {}
        for _ in range(min(free, len(self.waiting))):
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
        known = len(logits)
        widest = max(
            (len(self.suffixes[p]) for p in prompts[known:]), default=1
        )
        step = max(1, PREFILL_TOKENS // widest)
        for i in range(known, len(prompts), step):
            part = prompts[i : i + step]
            suffixes = [self.suffixes[prompt] for prompt in part]
            lengths = [0] * len(part)
            logits.append(
                self._forward(
                    "prefill", part, first_slot + i, lengths, suffixes
                )
            )
        if self.waiting and self.waiting[0].prompt == prompts[-1]:
            length = len(self.suffixes[prompts[-1]])
            self.cache.copy(len(self.groups) - 1, self.slots, length)
            self.kept = prompts[-1], logits[-1][-1:]
        self._sample(first_slot, torch.cat(logits), stop)

    def _decode(self, stop: StopRule) -> None:
        """Compute each slot's last token and draw the next ones."""
        prompts = [group[0].prompt for group in self.groups]
        lengths = [self._cached_tokens(group) for group in self.groups]
        last = [group[0].token_ids[-1:] for group in self.groups]
        logits = self._forward("decode", prompts, 0, lengths, last)
        self._sample(0, logits, stop)

    def _forward(
        self,
        kind: Literal["prefill", "decode"],
        prompts: list[int],
        first_slot: int,
        lengths: list[int],
        new_ids: list[list[int]],
    ) -> Tensor:
        """Append tokens to slots, from `first_slot` on.

        Rows are padded on the right. Padding is written behind a row's
        last token, where later tokens overwrite it.

        Args:
            prompts: the prompt in each slot.
            lengths: tokens that each slot holds already.
            new_ids: the new tokens of each slot.

        Returns:
            logits after each slot's last token, [slots, vocabulary].

        Raises:
            UnsupportedModelError: a layer did not use the cache.
        """
        width = max(map(len, new_ids))
        padded = [ids + [0] * (width - len(ids)) for ids in new_ids]
        last = [[len(ids) - 1] for ids in new_ids]
        self.cache.begin_pass(first_slot, lengths, width)
        out = self.model(
            input_ids=torch.tensor(padded, device=self.device),
            position_ids=len(self.prefix_ids) + self.cache.positions,
            use_cache=False,
            logits_to_keep=torch.tensor(last, device=self.device),
            slot_cache=self.cache,
        )
        if self.cache.layers_written != len(self.cache.keys):
            raise UnsupportedModelError(
                "not all its layers use the attention interface"
            )
        if self.options.observe is not None:
            own_tokens = sum(lengths) + sum(map(len, new_ids))
            self.options.observe(
                ForwardPass(kind, prompts, width, own_tokens)
            )
        logits: Tensor = out.logits[:, 0]
        return logits

    def _cached_tokens(self, group: list[Request]) -> int:
        """Count a slot's tokens in the cache: all but the last one."""
        request = group[0]
        prompt = self.suffixes[request.prompt]
        return len(prompt) + len(request.token_ids) - 1

    def _sample(
        self, first_slot: int, logits: Tensor, stop: StopRule
    ) -> None:
        """Draw a token for each request of some slots; fork and free slots.

        Args:
            logits: [slots, vocabulary], of the slots from `first_slot` on.
        """
        groups = self.groups[first_slot:]
        forks: list[tuple[int, list[Request]]] = []
        for slot, tokens in enumerate(
            self._choose(groups, logits), first_slot
        ):
            by_token: dict[int, list[Request]] = {}
            for request, token in zip(
                self.groups[slot], tokens, strict=False
            ):
                request.token_ids.append(token)
                request.stopped = stop(request.token_ids)
                if request.done:
                    self._count_finished(request)
                else:
                    by_token.setdefault(token, []).append(request)
            self.groups[slot], *others = by_token.values() or [[]]
            forks += [(slot, other) for other in others]
        for source, group in forks:
            self._copy_to_free_slot(source, group)
        # Move the last groups to free slots, so that used slots come first.
        used = sum(map(bool, self.groups))
        for slot in range(used, len(self.groups)):
            if self.groups[slot]:
                self._copy_to_free_slot(slot, self.groups[slot])
        del self.groups[used:]

    def _choose(
        self, groups: list[list[Request]], logits: Tensor
    ) -> list[list[int]]:
        """Choose a token for each request of each group, by its noise."""
        widest = max(map(len, groups))
        if self.settings.temperature == 0:
            return [[token] * widest for token in greedy(logits).tolist()]
        keys = [
            [request.key for request in group] + [0] * (widest - len(group))
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

    def _count_finished(self, request: Request) -> None:
        self.unfinished[request.prompt] -= 1
        if self.options.progress and not self.unfinished[request.prompt]:
            self.options.progress(1)

    def _copy_to_free_slot(self, source: int, group: list[Request]) -> None:
        slot = next(
            (i for i, other in enumerate(self.groups) if not other),
            len(self.groups),
        )
        if slot == len(self.groups):
            self.groups.append([])
        self.groups[slot] = group
        self.cache.copy(source, slot, self._cached_tokens(group))


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
