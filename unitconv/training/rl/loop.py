"""Online RL in plain PyTorch: the model that learns is the sampler.

A step samples replies, rewards them, and changes the model's weights. The
next step samples from the changed model.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from unitconv.common import distributed
from unitconv.inference.llm import LLM
from unitconv.task.dataset import Question
from unitconv.training.config import TrainingError
from unitconv.training.examples import TrainingExample, collate
from unitconv.training.loop import lr_scale
from unitconv.training.rl.config import RLSettings
from unitconv.training.rl.loss import (
    advantages,
    kl_divergence,
    policy_loss,
    token_log_probs,
    token_weights,
)
from unitconv.training.rl.reward import Reward, right_reasoning
from unitconv.training.rl.rollout import (
    Group,
    pick_questions,
    sample_groups,
)

if TYPE_CHECKING:
    from peft import PeftModel

IDLE_STEPS = 10  #: without anything to learn, before a warning


@dataclass(frozen=True)
class Update:
    """Measurements of one update, of the replies it learned from."""

    n_replies: int = 0
    #: In nats per token; None without an update, like the others.
    entropy: float | None = None
    grad_norm: float | None = None  #: before clipping
    kl: float | None = None  #: from the base; None also without `kl`


@dataclass(frozen=True)
class Metrics:
    """Measurements of one step."""

    step: int  #: counted from 1
    reward: float  #: mean over all replies
    mixed: float  #: share of questions whose replies differ in reward
    n_tokens: float  #: mean length of a reply
    update: Update
    sampling_seconds: float
    update_seconds: float


@dataclass(frozen=True)
class Minibatch:
    """Replies of one forward pass; advantages and weights by token."""

    tokens: dict[str, Tensor]
    advantages: Tensor
    weights: Tensor


def make_optimizer(
    model: nn.Module, settings: RLSettings
) -> torch.optim.Optimizer:
    """Create AdamW for the parameters that require gradients."""
    return torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=settings.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=0.0,
    )


def make_minibatches(
    groups: Sequence[Group], settings: RLSettings, pad_token_id: int
) -> list[Minibatch]:
    """Collect the replies with an advantage, those of like length together.

    The others have a gradient of 0 and need no forward pass.
    """
    rewards = torch.tensor([[r.reward for r in g.replies] for g in groups])
    by_reply = advantages(rewards, settings.loss).flatten().tolist()
    examples = [example for group in groups for example in group.examples]
    chosen: list[tuple[TrainingExample, float]] = [
        pair for pair in zip(examples, by_reply, strict=True) if pair[1]
    ]
    chosen.sort(key=lambda pair: len(pair[0].input_ids))
    lengths = torch.tensor([example.n_supervised for example, _ in chosen])
    weights = token_weights(
        lengths, settings.loss, rewards.numel(), settings.max_new_tokens
    )
    values = torch.tensor([value for _, value in chosen])
    batches = []
    for start in range(0, len(chosen), settings.batch_size):
        rows = slice(start, start + settings.batch_size)
        batches.append(
            Minibatch(
                collate([e for e, _ in chosen[rows]], pad_token_id),
                values[rows].repeat_interleave(lengths[rows]),
                weights[rows].repeat_interleave(lengths[rows]),
            )
        )
    return batches


def improve(
    model: PeftModel,
    batches: Sequence[Minibatch],
    optimizer: torch.optim.Optimizer,
    settings: RLSettings,
) -> Update:
    """Update the model `settings.epochs` times; without batches, never.

    Several processes share the batches, and all take the same update.

    Raises:
        TrainingError: the gradient is not finite.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    mine = distributed.share(batches)
    old_log_probs: list[Tensor | None] = [None] * len(mine)
    update = Update()
    for _ in range(settings.epochs if batches else 0):
        optimizer.zero_grad()
        sums = torch.zeros(3, device=parameters[0].device)
        for number, batch in enumerate(mine):
            log_probs, measured = add_gradient(
                model, batch, old_log_probs[number], settings
            )
            if old_log_probs[number] is None:
                old_log_probs[number] = log_probs
            sums += measured
        add_up_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
        if not math.isfinite(norm):
            raise TrainingError(
                "the gradient is not finite: lower the learning rate"
            )
        optimizer.step()
        n_tokens, entropy, kl = distributed.add_up(sums).tolist()
        update = Update(
            n_replies=sum(len(b.tokens["labels"]) for b in batches),
            entropy=entropy / n_tokens,
            grad_norm=norm.item(),
            kl=kl / n_tokens if settings.kl else None,
        )
    return update


def add_gradient(
    model: PeftModel,
    batch: Minibatch,
    old_log_probs: Tensor | None,
    settings: RLSettings,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of a minibatch's loss to that of the parameters.

    Args:
        model: with a LoRA adapter, which is off for the base model's KL.
        batch: tokens, advantages and weights.
        old_log_probs: of the model that sampled; None if it is this one.
        settings: temperature, clipping and KL.

    Returns:
        Log-probabilities, detached; and the number of tokens with the sums
        of their entropies and KL divergences.
    """
    tokens, temperature = batch.tokens, settings.temperature
    log_probs, entropy = token_log_probs(model, tokens, temperature)
    current = log_probs.detach()
    device, kl = current.device, torch.zeros_like(current)
    weights = batch.weights.to(device)
    loss = policy_loss(
        log_probs,
        current if old_log_probs is None else old_log_probs,
        batch.advantages.to(device),
        weights,
        settings.clip_range,
    )
    if settings.kl:
        with torch.no_grad(), model.disable_adapter():
            base, _ = token_log_probs(model, tokens, temperature)
        kl = kl_divergence(log_probs, base)
        loss = loss + settings.kl * (kl * weights).sum()
    loss.backward()
    n_tokens = torch.tensor(len(current), device=device)
    return current, torch.stack(
        [n_tokens, entropy.sum(), kl.detach().sum()]
    )


def add_up_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give every process the sum of the processes' gradients."""
    if distributed.world_size() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:  # no batch was left for this process
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad = distributed.add_up(parameter.grad)


def train(
    llm: LLM,
    questions: Sequence[Question],
    settings: RLSettings,
    optimizer: torch.optim.Optimizer,
    first_step: int = 0,
    reward: Reward = right_reasoning,
) -> Iterator[tuple[list[Group], Metrics]]:
    """Take one step after the other; yield its samples and measurements.

    Warns if nothing could be learned for `IDLE_STEPS` steps.

    Args:
        llm: with an unmerged LoRA adapter, without dropout.
        questions: of which each step takes `settings.questions`.
        settings: of the run.
        optimizer: from `make_optimizer`.
        first_step: of a run that is resumed.
        reward: of a graded reply.

    Raises:
        TrainingError: too few questions; a reward or gradient not finite.
    """
    model = cast("PeftModel", llm.model)
    n_warmup = math.ceil(settings.warmup_share * settings.steps)
    idle = 0
    for step in range(first_step, settings.steps):
        # No step is wasted on the rate of 0 that a schedule begins with.
        scale = lr_scale(step + 1, settings.steps + 1, n_warmup)
        for parameter_group in optimizer.param_groups:
            parameter_group["lr"] = scale * settings.learning_rate
        start = time.perf_counter()
        model.eval()
        size, seed = settings.questions, settings.seed
        mine = distributed.share(
            pick_questions(questions, size, step, seed)
        )
        groups = distributed.gather(
            sample_groups(llm, mine, settings, step, reward)
        )
        sampled = time.perf_counter()
        model.train()
        batches = make_minibatches(groups, settings, llm.pad_token_id)
        update = improve(model, batches, optimizer, settings)
        model.eval()
        idle = 0 if update.n_replies else idle + 1
        metrics = _measure(step + 1, groups, update, start, sampled)
        if idle and idle % IDLE_STEPS == 0:
            _warn_of_idle_steps(idle, metrics.reward)
        yield groups, metrics


def _measure(
    step: int,
    groups: Sequence[Group],
    update: Update,
    start: float,
    sampled: float,
) -> Metrics:
    replies = [reply for group in groups for reply in group.replies]
    return Metrics(
        step=step,
        reward=sum(r.reward for r in replies) / len(replies),
        mixed=sum(group.mixed for group in groups) / len(groups),
        n_tokens=sum(len(r.token_ids) for r in replies) / len(replies),
        update=update,
        sampling_seconds=sampled - start,
        update_seconds=time.perf_counter() - sampled,
    )


def _warn_of_idle_steps(n_steps: int, reward: float) -> None:
    if not distributed.is_main_process():
        return
    warnings.warn(
        f"nothing was learned in the last {n_steps} steps: all replies to "
        f"a question had the same reward (mean {reward:.2f}). If that is "
        "the lowest, start from an adapter or a prompt that is sometimes "
        "right; if it is the highest, give harder questions",
        stacklevel=3,
    )
