"""Reference decoders: one prompt at a time, and padded batches.

A request gets the same tokens in any batch. In float32 a row's logits
differ between batch sizes by about 1e-5; in bfloat16 by up to 0.1, so that
a near tie may be decided differently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unitconv.common.errors import UnitconvError
from unitconv.inference.sampling import row_key, sample, uniform

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel

#: Rows decoded together. Where fewer fit in memory, the engine takes fewer.
BATCH_SIZE = 256

#: Decides from the tokens a row has generated whether it is finished.
StopRule = Callable[[list[int]], bool]
#: Called with the number of prompts just finished.
Progress = Callable[[int], None]


class ContextError(UnitconvError):
    """A prompt the model's context cannot hold, or an empty one."""


@dataclass(frozen=True)
class Decoding:
    """Sampling settings and the maximum number of new tokens."""

    #: Reasoning with partial products takes up to 130 tokens.
    max_new_tokens: int = 192
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UnitconvError("max_new_tokens must be at least 1")
        if not 0 <= self.temperature < math.inf:
            raise UnitconvError(
                "temperature must be 0 (greedy) or more, and finite"
            )
        if not 0 < self.top_p <= 1:
            raise UnitconvError("top_p must be above 0 and at most 1")


#: The most likely token every time.
GREEDY = Decoding()


@dataclass(frozen=True)
class Completion:
    """The tokens of one row; not `finished` if cut off at its limit."""

    token_ids: list[int]
    finished: bool


def token_limit(
    model: PreTrainedModel, prompt: Sequence[int], limit: int
) -> int:
    """Compute how many tokens may follow `prompt`, at most `limit`.

    Raises:
        ContextError: the prompt is empty or fills the model's context.
    """
    context = int(model.config.max_position_embeddings)
    if not prompt:
        raise ContextError("the prompt is empty: there is nothing to read")
    if len(prompt) >= context:
        raise ContextError(
            f"the prompt has {len(prompt)} tokens and the model's context "
            f"holds {context}: shorten the prompt, show fewer examples"
        )
    return min(limit, context - len(prompt))


def choose(
    logits: Tensor, settings: Decoding, keys: Tensor, position: int | Tensor
) -> Tensor:
    """Choose each row's next token from logits [rows, vocabulary].

    `keys` are [rows], or [rows, n] to sample n tokens for each row.
    """
    if settings.temperature == 0:
        return logits.argmax(dim=-1)
    noise = uniform(keys, position)
    return sample(logits, settings.temperature, settings.top_p, noise)


def prefill(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> tuple[Tensor, DynamicCache]:
    """Compute whole prompts in one pass; all tensors are [rows, length].

    Returns:
        logits after the last position, [rows, vocabulary], and KV cache.
    """
    out = model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        position_ids=position_ids,
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1], out.past_key_values


def decode_one_token(
    model: PreTrainedModel,
    tokens: Tensor,
    position_ids: Tensor,
    cache: DynamicCache,
    attention_mask: Tensor | None = None,
) -> Tensor:
    """Compute one new token per row; the KV cache grows by one position.

    Args:
        tokens: [rows], the tokens just chosen.
        position_ids: [rows], their positions in their texts.
        attention_mask: [rows, length of the cache + 1].

    Returns:
        logits, [rows, vocabulary].
    """
    out = model(
        input_ids=tokens[:, None],
        attention_mask=attention_mask,
        position_ids=position_ids[:, None],
        past_key_values=cache,
        use_cache=True,
    )
    return out.logits[:, -1]


@torch.inference_mode()
def generate_sequential(
    model: PreTrainedModel,
    prompt: Sequence[int],
    stop: StopRule,
    settings: Decoding = GREEDY,
    sample_number: int = 0,
) -> Completion:
    """Continue one prompt, one token at a time (chapter 4).

    Raises:
        ContextError: the prompt is empty or longer than the context.
    """
    limit = token_limit(model, prompt, settings.max_new_tokens)
    key = row_key(settings.seed, prompt, sample_number)
    keys = torch.tensor([key], device=model.device)
    input_ids = torch.tensor([list(prompt)], device=model.device)

    logits, cache = prefill(model, input_ids)
    generated: list[int] = []
    while True:
        token = choose(logits, settings, keys, len(generated))
        generated.append(int(token))
        if stop(generated):
            return Completion(generated, finished=True)
        if len(generated) == limit:
            return Completion(generated, finished=False)
        position = input_ids.shape[1] + len(generated) - 1
        position_ids = torch.tensor([position], device=model.device)
        logits = decode_one_token(model, token, position_ids, cache)


def left_pad(
    prompts: Sequence[Sequence[int]], pad_token_id: int
) -> tuple[Tensor, Tensor]:
    """Pad prompts on the left to ids and a mask, both [rows, width].

    The mask is 1 on tokens and 0 on padding. It comes from the lengths,
    because a tokenizer may use its EOS as the padding token.
    """
    width = max(len(prompt) for prompt in prompts)
    input_ids = torch.full((len(prompts), width), pad_token_id)
    attention_mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        start = width - len(prompt)
        input_ids[row, start:] = torch.tensor(prompt)
        attention_mask[row, start:] = 1
    return input_ids, attention_mask


def positions(attention_mask: Tensor) -> Tensor:
    """Compute the position of each token in its own text.

    [rows, width] in and out; padding gets 0, which is masked.
    """
    return (attention_mask.cumsum(dim=-1) - 1).clamp(min=0)


@torch.inference_mode()
def generate_batched(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    stop: StopRule,
    settings: Decoding = GREEDY,
    num_return_sequences: int = 1,
    pad_token_id: int = 0,
) -> list[list[Completion]]:
    """Continue all prompts together, one token of each at a time.

    A finished row is fed with padding until the last one is finished.
    Returns `num_return_sequences` completions for each prompt.

    Raises:
        ContextError: a prompt is empty or longer than the context.
    """
    n = num_return_sequences
    rows = [
        _Row(token_limit(model, prompt, settings.max_new_tokens))
        for prompt in prompts
        for _ in range(n)
    ]
    keys = torch.tensor(
        [row_key(settings.seed, p, i) for p in prompts for i in range(n)],
        device=model.device,
    )
    input_ids, mask = left_pad(prompts, pad_token_id)
    input_ids, mask = input_ids.to(model.device), mask.to(model.device)

    logits, cache = prefill(model, input_ids, mask, positions(mask))
    logits = logits.repeat_interleave(n, dim=0)
    cache.batch_repeat_interleave(n)
    mask = mask.repeat_interleave(n, dim=0)
    next_position = mask.sum(dim=-1)
    step = 0
    while True:
        tokens = choose(logits, settings, keys, step)
        for row, token in zip(rows, tokens.tolist(), strict=True):
            row.take(token, stop)
        if all(row.done for row in rows):
            break
        active = torch.tensor([not row.done for row in rows])
        tokens = tokens.where(active.to(tokens.device), pad_token_id)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=-1)
        logits = decode_one_token(
            model, tokens, next_position + step, cache, mask
        )
        step += 1
    done = [Completion(row.token_ids, row.finished) for row in rows]
    return [done[i : i + n] for i in range(0, len(done), n)]


class _Row:
    """State of one row of `generate_batched`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.token_ids: list[int] = []
        self.finished = False

    @property
    def done(self) -> bool:
        return self.finished or len(self.token_ids) == self.limit

    def take(self, token: int, stop: StopRule) -> None:
        if not self.done:
            self.token_ids.append(token)
            self.finished = stop(self.token_ids)
