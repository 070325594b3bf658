"""Continuous batching over a shared prefix, with samples that fork.

The noise of a request is a hash of the request alone, so its tokens are
those of the reference decoders, whatever is decoded beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from unitconv.inference.attention import IMPLEMENTATION
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
from unitconv.inference.sampling import row_key

PREFILL_TOKENS = 512  #: in a pass, padding included; bounds its memory
SHORTEST_PREFIX = 8  #: worth a second matrix product in each layer
#: The share of slots that must be free before requests are admitted: a
#: prefill of one prompt takes a third of the time of a prefill of ten.
REFILL_SHARE = 1 / 16

PassKind = Literal["prefix", "prefill", "decode"]


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass of the model, as reported to `observe`."""

    kind: PassKind
    prompts: list[int]  #: index of the prompt in each slot
    width: int  #: tokens computed per slot, padding included
    own_tokens: int  #: cached tokens of these slots after it, no prefix


@dataclass(frozen=True)
class EngineOptions:
    """Settings that change the speed of a run, not its tokens."""

    slots: int = BATCH_SIZE  #: sequences decoded together
    limits: Sequence[int] | None = None  #: new tokens of each prompt
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
        """True if a stop rule fired or the token limit is reached."""
        return self.stopped or len(self.token_ids) >= self.limit


class Engine:
    """Decoder of many prompts in a fixed number of slots.

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
        most = options.limits or [settings.max_new_tokens] * len(prompts)
        limits = [
            token_limit(model, prompt, limit)
            for prompt, limit in zip(prompts, most, strict=True)
        ]
        n = num_return_sequences
        lengths = map(len, self.suffixes)
        plan = CachePlan(
            slots=min(options.slots, n * len(prompts)),
            slot_tokens=max(map(sum, zip(lengths, limits, strict=True))),
            prefix_tokens=prefix,
            bytes_per_token=bytes_per_token(model.config, model.dtype),
        ).fit(memory_budget(self.device))
        self.slots = plan.slots
        self.cache = SlotCache(model.config, plan, self.device, model.dtype)
        self.requests: list[Request] = []
        #: Samples of a prompt, admitted together: as many as have slots.
        self.waiting: deque[list[Request]] = deque()
        # Short prompts first: little padding among those read together.
        for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
            keys = [row_key(settings.seed, prompts[i], j) for j in range(n)]
            samples = [Request(i, key, limits[i]) for key in keys]
            self.requests += samples
            self.waiting += [
                samples[j : j + self.slots] for j in range(0, n, self.slots)
            ]
        self.unfinished = [n] * len(prompts)
        #: Slot -> the requests that share it; slots in use come first.
        self.groups: list[list[Request]] = []
        #: The prompt of the last prefill, and the logits after it.
        self.last_prefill: tuple[int, Tensor] | None = None

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
                fits = self.waiting and free >= len(self.waiting[0])
                if fits and free >= self.slots * REFILL_SHARE:
                    self._admit(free, stop)
                else:
                    self._decode(stop)
        finally:
            self.model.set_attn_implementation(implementation)
        completions: list[list[Completion]] = [[] for _ in self.suffixes]
        for request in self.requests:
            completion = Completion(request.token_ids, request.stopped)
            completions[request.prompt].append(completion)
        return completions

    def _prefill_prefix(self) -> None:
        input_ids = torch.tensor([self.prefix_ids], device=self.device)
        _, cache = prefill(self.model, input_ids)
        self.cache.prefix = [
            (keys[0], values[0]) for keys, values, *_ in cache
        ]
        if self.options.observe is not None:
            width = len(self.prefix_ids)
            self.options.observe(ForwardPass("prefix", [], width, 0))

    def _admit(self, free: int, stop: StopRule) -> None:
        """Prefill waiting prompts into slots and draw their first tokens.

        A prompt with more samples than slots is admitted in parts. It is
        read once: while a part waits, slot 0 still holds the prompt.
        """
        first_slot = len(self.groups)
        while self.waiting and len(self.waiting[0]) <= free:
            free -= len(self.waiting[0])
            self.groups.append(self.waiting.popleft())
        prompts = [group[0].prompt for group in self.groups[first_slot:]]
        suffixes = [self.suffixes[prompt] for prompt in prompts]
        logits = []
        if self.last_prefill and self.last_prefill[0] == prompts[0]:
            self.cache.copy(0, first_slot, len(suffixes[0]))
            logits.append(self.last_prefill[1])
        step = max(1, PREFILL_TOKENS // max(map(len, suffixes)))
        for i in range(len(logits), len(prompts), step):
            part = suffixes[i : i + step]
            logits.append(self._forward(first_slot + i, part))
        self.last_prefill = prompts[-1], logits[-1][-1:]
        self._sample(first_slot, torch.cat(logits), stop)

    def _decode(self, stop: StopRule) -> None:
        """Compute each slot's last token and draw the next ones."""
        last = [group[0].token_ids[-1:] for group in self.groups]
        self._sample(0, self._forward(0, last), stop)

    def _forward(self, first_slot: int, new_ids: list[list[int]]) -> Tensor:
        """Compute and cache new tokens of the slots from `first_slot` on.

        Rows are padded on the right, where later tokens overwrite it.

        Returns:
            logits after each slot's last token, [slots, vocabulary].
        """
        groups = self.groups[first_slot : first_slot + len(new_ids)]
        lengths = [self._cached_tokens(group) for group in groups]
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
        if self.options.observe is not None:
            kind: PassKind = "decode" if any(lengths) else "prefill"
            prompts = [group[0].prompt for group in groups]
            own_tokens = sum(lengths) + sum(map(len, new_ids))
            this_pass = ForwardPass(kind, prompts, width, own_tokens)
            self.options.observe(this_pass)
        return out.logits[:, 0]

    def _cached_tokens(self, group: list[Request]) -> int:
        """Count a slot's tokens in the cache: all but the last drawn."""
        drawn = len(group[0].token_ids)
        prompt = self.suffixes[group[0].prompt]
        return len(prompt) + drawn - 1 if drawn else 0

    def _sample(
        self, first_slot: int, logits: Tensor, stop: StopRule
    ) -> None:
        """Draw a token for each request of some slots; fork and free slots.

        Args:
            logits: [slots, vocabulary], of the slots from `first_slot` on.
        """
        report = self.options.progress
        chosen = self._choose(self.groups[first_slot:], logits)
        for slot, tokens in enumerate(chosen, first_slot):
            by_token: dict[int, list[Request]] = {}
            drawn = zip(self.groups[slot], tokens, strict=False)
            for request, token in drawn:
                request.token_ids.append(token)
                request.stopped = stop(request.token_ids)
                if request.done:
                    self.unfinished[request.prompt] -= 1
                    if report and not self.unfinished[request.prompt]:
                        report(1)
                else:
                    by_token.setdefault(token, []).append(request)
            self.groups[slot], *forks = by_token.values() or [[]]
            for fork in forks:
                self._copy_to_free_slot(slot, fork)
        # Move the last groups to free slots: used slots come first.
        while [] in self.groups:
            if last := self.groups.pop():
                self._copy_to_free_slot(len(self.groups), last)

    def _choose(
        self, groups: list[list[Request]], logits: Tensor
    ) -> list[list[int]]:
        """Choose a token for each request of each group, by its noise."""
        widest = max(map(len, groups))
        keys = [
            [request.key for request in group] + [0] * (widest - len(group))
            for group in groups
        ]
        positions = [[len(group[0].token_ids)] for group in groups]
        tokens = choose(
            logits,
            self.settings,
            torch.tensor(keys, device=self.device),
            torch.tensor(positions, device=self.device),
        )
        # Greedy decoding chooses one token for all of a group.
        return tokens.view(len(groups), -1).expand(-1, widest).tolist()

    def _copy_to_free_slot(self, source: int, group: list[Request]) -> None:
        free = (i for i, other in enumerate(self.groups) if not other)
        slot = next(free, len(self.groups))
        self.groups[slot : slot + 1] = [group]
        self.cache.copy(source, slot, self._cached_tokens(group))


def shared_prefix_length(prompts: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all prompts begin with.

    The last token of a prompt does not count, as the logits after it are
    its own; nor does a prefix shorter than `SHORTEST_PREFIX`.
    """
    if len(prompts) < 2:
        return 0
    # The first and the last in order differ as early as any two.
    first, *_, last = sorted(map(list, prompts))
    limit = min(map(len, prompts)) - 1
    same = next((i for i in range(limit) if first[i] != last[i]), limit)
    return same if same >= SHORTEST_PREFIX else 0
