"""Memory estimates from shapes, on torch's `meta` device.

Rounding by a GPU's allocator and temporary memory of kernels are not
included.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from unitconv.inference.kv_cache import CachePlan
from unitconv.training.config import TrainingSettings
from unitconv.training.lora import add_lora, lora_parameters

Parts = dict[str, int]  # name -> bytes
#: Bytes of a trained number: itself, its gradient and two of AdamW's, all
#: in float32.
LEARNED = 4 * 4

#: Configurations of HuggingFaceTB/SmolLM2-135M, -360M and -1.7B, from
#: their public config.json.
SMOLLM2: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("smollm2.json").read_text("utf-8")
)


def shape_only(config: LlamaConfig, dtype: torch.dtype) -> LlamaForCausalLM:
    """Build a model on the `meta` device, without memory for weights."""
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    return nn.Module.to(model, dtype)


def smollm2(size: str) -> LlamaConfig:
    """Return the configuration of SmolLM2-135M, -360M or -1.7B."""
    return LlamaConfig(**SMOLLM2[size])


def decoding_parts(model: PreTrainedModel, plan: CachePlan) -> Parts:
    """Return the memory of the engine: weights and KV cache."""
    return {"weights": _weights(model), "KV cache": plan.bytes}


def training_parts(
    config: LlamaConfig,
    dtype: torch.dtype,
    settings: TrainingSettings,
    length: int,
) -> Parts:
    """Estimate training memory at the start of the backward pass.

    With checkpointing each layer keeps its input, and one layer at a time
    is computed again. Autocast, which would keep less, is left out.

    Args:
        length: tokens of each row, padding included.
    """
    model = shape_only(config, dtype)
    weights = _weights(model)  # before LoRA is added
    trainable_bytes = LEARNED * lora_parameters(model, settings.rank)
    rows = settings.batch_size
    no_checkpointing = replace(settings, gradient_checkpointing=False)
    activation_bytes = saved_bytes(
        add_lora(model, no_checkpointing), rows, length
    )
    if settings.gradient_checkpointing:
        checkpointed = add_lora(shape_only(config, dtype), settings)
        inputs = saved_bytes(checkpointed, rows, length)
        activation_bytes = (
            inputs + (activation_bytes - inputs) // config.num_hidden_layers
        )
    logits = rows * length * config.vocab_size
    return {
        "weights": weights,
        "LoRA and AdamW": trainable_bytes,
        "activations": activation_bytes,
        # The model's output, and its gradient in float32.
        "logits": logits * (dtype.itemsize + 4),
    }


def saved_bytes(
    model: PreTrainedModel | PeftModel, rows: int, length: int
) -> int:
    """Count the bytes of activations that a forward pass keeps."""
    model.train()
    device = next(model.parameters()).device
    tokens = torch.zeros(rows, length, dtype=torch.long, device=device)
    weight_blocks = {_block(p) for p in model.parameters()}
    sizes: dict[int, int] = {}
    saved_tensors = []  # a freed block could be allocated again

    def pack(tensor: Tensor) -> Tensor:
        if _block(tensor) not in weight_blocks:
            sizes[_block(tensor)] = tensor.untyped_storage().nbytes()
            saved_tensors.append(tensor)
        return tensor

    # Ready-made, because a model inspects numbers to make its own.
    hidden = torch.full(
        (length, length),
        float("-inf"),
        device=device,
        dtype=next(model.parameters()).dtype,
    )
    mask = hidden.triu(1).expand(rows, 1, length, length)

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        model(
            input_ids=tokens,
            labels=tokens,
            attention_mask=mask,
            use_cache=False,
        )
    return sum(sizes.values())


def _block(tensor: Tensor) -> int:
    """Identify the memory that a tensor is a view of."""
    return int(tensor.untyped_storage()._cdata)


def _weights(model: PreTrainedModel) -> int:
    return sum(p.numel() * p.itemsize for p in model.parameters())
