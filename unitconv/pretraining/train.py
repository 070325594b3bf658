"""The pretraining loop.

Next-token prediction on every token of every row. The same settings give
the same rows, and on the same machine the same losses, whether the run was
interrupted or not.
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

from unitconv.inference.load import has_fast_bf16
from unitconv.pretraining.checkpoint import (
    Progress,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from unitconv.pretraining.config import PretrainConfig
from unitconv.pretraining.corpus.dataset import Rows, documents
from unitconv.pretraining.optimizer import (
    make_optimizers,
    set_learning_rates,
)
from unitconv.pretraining.tokenizer import train_tokenizer

CONTEXT = 512  #: positions the model accepts; rows are shorter
Watcher = Callable[[Progress], None]


def make_tokenizer(config: PretrainConfig) -> PreTrainedTokenizerBase:
    """The tokenizer of a run, learned from documents of its own corpus."""
    texts = documents(
        config.corpus, config.seed, config.tokenizer_documents
    )
    return train_tokenizer(texts, config.vocab_size, CONTEXT)


def make_model(
    config: PretrainConfig, tokenizer: PreTrainedTokenizerBase
) -> LlamaForCausalLM:
    """A `LlamaForCausalLM` with random weights, from the run's seed."""
    torch.manual_seed(config.seed)
    return LlamaForCausalLM(
        LlamaConfig(
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
    )


def train(
    config: PretrainConfig,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    checkpoints: Path,
    resume: bool = False,
    keep_all: bool = False,
    watch: Watcher = lambda progress: None,
) -> Progress:
    """Train `model` in place; return its losses and the time it took.

    Args:
        checkpoints: folder for `step-N` checkpoints. Only the latest stays
            unless `keep_all`.
        watch: called after every step, for progress bars and logs.

    Raises:
        ResumeError: nothing to resume, or from other settings.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    nn.Module.to(model, device).train()
    if device.type == "cpu":
        # The fused kernel is slow on CPUs: with bf16, a third of a step.
        model.set_attn_implementation("eager")
    optimizers = make_optimizers(model, config)
    progress = Progress()
    if resume:
        progress = load_checkpoint(
            latest_checkpoint(checkpoints), model, optimizers, config
        )
    else:
        shutil.rmtree(checkpoints, ignore_errors=True)
    forward = compiled(model) if config.compile else model
    before, started = progress.seconds, time.perf_counter()
    for input_ids in batches(config, tokenizer, progress.step):
        set_learning_rates(optimizers, progress.step, config)
        loss = train_step(
            forward, model, optimizers, input_ids.to(device), config
        )
        progress.step += 1
        progress.losses.append(loss)
        progress.seconds = before + time.perf_counter() - started
        watch(progress)
        if (
            progress.step % config.checkpoint_every == 0
            or progress.step == config.steps
        ):
            saved = save_checkpoint(
                checkpoints, model, optimizers, config, progress
            )
            if not keep_all:
                _remove_others(saved)
    return progress


def batches(
    config: PretrainConfig, tokenizer: PreTrainedTokenizerBase, step: int
) -> Iterator[torch.Tensor]:
    """Batches `[batch_size, row_length]` from `step` to the last step."""
    rows = Rows(config, tokenizer)
    left = Subset(rows, range(step * config.batch_size, len(rows)))
    yield from DataLoader(
        left, config.batch_size, num_workers=config.workers
    )


def train_step(
    forward: Callable[..., Any],
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    input_ids: torch.Tensor,
    config: PretrainConfig,
) -> float:
    """One update of every weight; the loss before it, in nats a token."""
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


def compiled(model: nn.Module) -> Callable[..., Any]:
    """`model` as one compiled graph, or as it is without a compiler."""
    if not torch.cuda.is_available() and not shutil.which("g++"):
        warnings.warn(
            "no C++ compiler (g++) here: training without torch.compile, "
            "at a good half of the speed",
            stacklevel=2,
        )
        return model
    return torch.compile(model)


def _remove_others(checkpoint: Path) -> None:
    for folder in checkpoint.parent.glob("step-*"):
        if folder != checkpoint:
            shutil.rmtree(folder)
