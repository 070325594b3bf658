"""Export of a Hugging Face llama as a GGUF file for llama.cpp.

Two things are more than copying. llama.cpp rotates neighbouring pairs of a
head where Hugging Face rotates its two halves, so the rows of `q_proj` and
`k_proj` change places. And a vocabulary is required: it gets numbered
tokens, `t0`, `t1`, ..., because decoders are compared on token ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor
from transformers import LlamaForCausalLM


def export_gguf(folder: Path, path: Path) -> None:
    """Write the llama in `folder` to `path`, in float32.

    Raises:
        ValueError: the output matrix is not tied to the embeddings.
    """
    model = LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    )
    config: Any = model.config
    if not config.tie_word_embeddings:
        raise ValueError("only models with tied embeddings are exported")
    writer = gguf.GGUFWriter(path, "llama")
    _add_shape(writer, config)
    _add_numbered_tokens(writer, config)
    names = gguf.get_tensor_name_map(
        gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers
    )
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        if "q_proj" in name:
            weight = interleave_halves(weight, config.num_attention_heads)
        elif "k_proj" in name:
            weight = interleave_halves(weight, config.num_key_value_heads)
        gguf_name = names.get_name(name, try_suffixes=(".weight",))
        assert gguf_name, name
        writer.add_tensor(gguf_name, weight.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleave_halves(weight: Tensor, heads: int) -> Tensor:
    """Reorder the rows of each head: 0, h/2, 1, h/2 + 1, ...

    [heads * head_dim, in] in and out.
    """
    halves = weight.unflatten(0, (heads, 2, -1))
    return halves.transpose(1, 2).reshape(weight.shape)


def _add_shape(writer: Any, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_vocab_size(config.vocab_size)


def _add_numbered_tokens(writer: Any, config: Any) -> None:
    size = config.vocab_size
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([f"t{i}" for i in range(size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["t 0"])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_add_bos_token(False)
