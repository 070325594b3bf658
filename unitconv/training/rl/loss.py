"""Policy-gradient losses: advantages, log-probabilities, clipping, KL.

A reply's log-probability is raised in proportion to its advantage, summed
over the reply's tokens. The variants differ in two places only, the
advantage of a reply and the weight of a token:

- `dr_grpo` (Liu et al. 2025, arXiv:2503.20783): the reward less the mean of
  its group, which are the replies to one question; equal weights.
- `grpo` (Shao et al. 2024, arXiv:2402.03300): that, divided by the standard
  deviation of the group; each reply's tokens share one weight.
- `dapo` (Yu et al. 2025, arXiv:2503.14476): the advantage of `grpo`; the
  mean over all tokens.
- `raft` (Xiong et al. 2025, arXiv:2504.11343): the reward itself, in groups
  with different rewards; the mean over all tokens.
- `reinforce` (Williams 1992): the reward itself; equal weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unitconv.training.examples import IGNORE_INDEX
from unitconv.training.loop import batch_logits


def advantages(rewards: Tensor, loss: str) -> Tensor:
    """Compute how much better each reply is than others to its question.

    [questions, samples] in and out. A reply with an advantage of 0 teaches
    nothing. Except with `reinforce`, so does a group of equal rewards.
    """
    if loss == "reinforce":
        return rewards.clone()
    highest, lowest = rewards.amax(1, True), rewards.amin(1, True)
    mixed = highest > lowest
    if loss == "raft":
        return rewards * mixed
    centered = (rewards - rewards.mean(1, True)) * mixed
    if loss == "dr_grpo":
        return centered
    return centered / (rewards.std(1, keepdim=True) + 1e-4)


def token_weights(
    lengths: Tensor, loss: str, n_sampled: int, max_new_tokens: int
) -> Tensor:
    """Compute the weight of one token of each reply in the loss.

    Args:
        lengths: [replies], tokens of the replies with an advantage.
        loss: the variant.
        n_sampled: all replies of the batch, also those without.
        max_new_tokens: the most that a reply may have.
    """
    lengths = lengths.float()
    if loss in ("dapo", "raft"):
        return torch.ones_like(lengths) / lengths.sum()
    if loss == "grpo":
        return 1 / (n_sampled * lengths)
    # A constant: shorter replies do not weigh more than longer ones.
    return torch.ones_like(lengths) / (n_sampled * max_new_tokens)


def token_log_probs(
    model: nn.Module, batch: dict[str, Tensor], temperature: float
) -> tuple[Tensor, Tensor]:
    """Compute the log-probabilities that the labels were sampled with.

    Args:
        model: returns logits.
        batch: from `collate`; its labels are the tokens of the replies.
        temperature: that of sampling: at another one, the replies would
            come from another distribution than the one that learns.

    Returns:
        Log-probability of each labeled token, row by row, [tokens]; and
        the entropy of the distribution it was drawn from, in nats.
    """
    logits = batch_logits(model, batch)
    labels = batch["labels"]
    rows, columns = (labels != IGNORE_INDEX).nonzero(as_tuple=True)
    tokens = labels[rows, columns].to(logits.device)
    logits = logits[rows.to(logits.device), columns.to(logits.device) - 1]
    log_probs = torch.log_softmax(logits.float() / temperature, dim=-1)
    with torch.no_grad():
        entropy = -(log_probs.exp() * log_probs).sum(-1)
    return log_probs.gather(-1, tokens[:, None])[:, 0], entropy


def policy_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    weights: Tensor,
    clip_range: tuple[float, float],
) -> Tensor:
    """Compute the clipped surrogate loss; all tensors are [tokens].

    The old log-probabilities are those of the model that sampled. While
    both are the same, the ratio is 1 and nothing is clipped: the gradient
    is that of advantage times log-probability (Schulman et al. 2017,
    arXiv:1707.06347).
    """
    ratio = (log_probs - old_log_probs).exp()
    clipped = ratio.clamp(clip_range[0], clip_range[1])
    gain = torch.minimum(ratio * advantages, clipped * advantages)
    return -(gain * weights).sum()


def kl_divergence(log_probs: Tensor, base_log_probs: Tensor) -> Tensor:
    """Estimate the KL divergence from the base model, for each token.

    Never negative, and right on average over sampled tokens (Schulman
    2020, "Approximating KL divergence", the estimator k3).
    """
    difference = base_log_probs - log_probs
    return difference.exp() - difference - 1
