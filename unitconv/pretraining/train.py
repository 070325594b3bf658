"""The pretraining loop: next-token prediction with Muon and AdamW.

The same settings give the same batches, and on the same machine the same
losses, whether the run was interrupted or not.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

from unitconv.inference.load.device import has_fast_bf16
from unitconv.inference.load.model import PRETRAINED_BY
from unitconv.pretraining.checkpoint import (
    TrainingProgress,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from unitconv.pretraining.config import PretrainConfig
from unitconv.pretraining.corpus.dataset import TokenBlocks, documents
from unitconv.pretraining.tokenizer import train_tokenizer

CONTEXT = 512  #: positions the model accepts; training rows are shorter
StepCallback = Callable[[TrainingProgress], None]


def make_tokenizer(config: PretrainConfig) -> PreTrainedTokenizerBase:
    """Train the tokenizer of a run on documents of its own corpus."""
    texts = documents(
        config.corpus, config.seed, config.tokenizer_documents
    )
    return train_tokenizer(texts, config.vocab_size, CONTEXT)


def make_model(
    config: PretrainConfig, tokenizer: PreTrainedTokenizerBase
) -> LlamaForCausalLM:
    """Create a `LlamaForCausalLM` with random weights, by `config.seed`."""
    torch.manual_seed(config.seed)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    setattr(shape, PRETRAINED_BY, "unitconv")
    return LlamaForCausalLM(shape)


def train(
    config: PretrainConfig,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    checkpoints: Path,
    resume: bool = False,
    on_step: StepCallback = lambda progress: None,
) -> TrainingProgress:
    """Train `model` in place; return its losses and the time it took.

    Args:
        config: settings of the run.
        model: with random weights, from `make_model`.
        tokenizer: from `make_tokenizer`.
        checkpoints: folder for `step-N` checkpoints.
        resume: continue from the latest checkpoint.
        on_step: called after every step, for progress bars and logs.

    Raises:
        ResumeError: nothing to resume, or from other settings.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    nn.Module.to(model, device).train()
    if device.type == "cpu":
        # The fused kernel is slow on CPUs: with bf16, a third of a step.
        model.set_attn_implementation("eager")
    optimizers = make_optimizers(model, config)
    if resume:
        latest = latest_checkpoint(checkpoints)
        progress = load_checkpoint(latest, model, optimizers, config)
    else:
        progress = TrainingProgress()
        shutil.rmtree(checkpoints, ignore_errors=True)
    forward = compile_model(model) if config.compile else model
    before, started = progress.seconds, time.perf_counter()
    for input_ids in batches(config, tokenizer, progress.step):
        set_learning_rates(optimizers, progress.step, config)
        input_ids = input_ids.to(device)
        loss = train_step(forward, model, optimizers, input_ids, config)
        progress.step += 1
        progress.losses.append(loss)
        progress.seconds = before + time.perf_counter() - started
        on_step(progress)
        last = progress.step == config.steps
        if last or progress.step % config.checkpoint_every == 0:
            save_checkpoint(
                checkpoints, model, optimizers, config, progress
            )
    return progress


def batches(
    config: PretrainConfig, tokenizer: PreTrainedTokenizerBase, step: int
) -> Iterator[torch.Tensor]:
    """Yield token ids [batch_size, row_length] from `step` to the end."""
    blocks = TokenBlocks(config, tokenizer)
    rest = Subset(blocks, range(step * config.batch_size, len(blocks)))
    yield from DataLoader(
        rest, config.batch_size, num_workers=config.workers
    )


def train_step(
    forward: Callable[..., Any],
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    input_ids: torch.Tensor,
    config: PretrainConfig,
) -> float:
    """Update every weight once; return the loss in nats per token.

    Args:
        forward: `model`, or its compiled form.
        model: the parameters to clip and update.
        optimizers: from `make_optimizers`.
        input_ids: [batch_size, row_length]; labels are the same tokens.
        config: clipping and precision.
    """
    device = input_ids.device.type
    bf16 = config.autocast and has_fast_bf16(input_ids.device)
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        loss = forward(
            input_ids=input_ids, labels=input_ids, use_cache=False
        ).loss
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def make_optimizers(
    model: nn.Module, config: PretrainConfig
) -> list[torch.optim.Optimizer]:
    """Create Muon for the matrices of the layers, AdamW for the rest.

    Muon (Jordan et al. 2024) makes each update of a matrix nearly
    orthogonal, so that all its directions are updated alike.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inside = parameter.ndim == 2 and "embed" not in name
        (matrices if inside else others).append(parameter)
    return [
        torch.optim.Muon(
            matrices,
            lr=config.muon_lr,
            weight_decay=config.muon_weight_decay,
        ),
        torch.optim.AdamW(
            others, lr=config.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0
        ),
    ]


def learning_rate_factor(step: int, config: PretrainConfig) -> float:
    """Learning rate at a step, counted from 0, relative to its peak.

    Linear warm-up, a constant middle, then linear decay over the last
    `decay_share` of the steps to `final_lr_share`.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    decay_steps = config.decay_share * config.steps
    left = (config.steps - 1 - step) / max(1.0, decay_steps - 1)
    return config.final_lr_share + (1 - config.final_lr_share) * min(
        1, left
    )


def set_learning_rates(
    optimizers: list[torch.optim.Optimizer],
    step: int,
    config: PretrainConfig,
) -> None:
    """Set both optimizers' learning rates for a step."""
    peaks = (config.muon_lr, config.adamw_lr)
    for optimizer, peak in zip(optimizers, peaks, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = peak * learning_rate_factor(step, config)


def compile_model(model: nn.Module) -> Callable[..., Any]:
    """Compile `model`, or return it unchanged without a compiler."""
    if not torch.cuda.is_available() and not shutil.which("g++"):
        warnings.warn(
            "no C++ compiler (g++) here: training without torch.compile, "
            "at a good half of the speed",
            stacklevel=2,
        )
        return model
    return torch.compile(model)
