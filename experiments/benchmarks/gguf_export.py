"""A Hugging Face llama as a GGUF file, for llama.cpp.

Two things are more than copying: llama.cpp rotates neighbouring pairs of a
head where Hugging Face rotates its two halves, so the rows of `q_proj` and
`k_proj` change places; and a vocabulary is obligatory, so it gets numbered
tokens, because peers are handed token ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OTHERS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
}
TYPES = {
    "float32": gguf.GGMLQuantizationType.F32,
    "float16": gguf.GGMLQuantizationType.F16,
    "bfloat16": gguf.GGMLQuantizationType.BF16,
}


def export(folder: str, path: Path, dtype: str) -> None:
    """Write the llama in `folder` to `path`, its matrices in `dtype`.

    Raises:
        ValueError: the output matrix is not tied to the embeddings.
    """
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    )
    if not model.config.tie_word_embeddings:
        raise ValueError("only tied embeddings are written")
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, model.config)
    _number_tokens(writer, model.config)
    for name, weight in model.state_dict().items():
        if name != "lm_head.weight":
            _add(writer, name, weight, model.config, TYPES[dtype])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name: str) -> str:
    """What llama.cpp calls a weight of transformers' llama."""
    if name in _OTHERS:
        return _OTHERS[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_LAYER[rest.removesuffix('.weight')]}.weight"


def interleave_halves(weight: Tensor, n_heads: int) -> Tensor:
    """Rows of each head reordered: 0, h/2, 1, h/2 + 1, ...

    [heads * head_dim, in] in and out.
    """
    rows, columns = weight.shape
    halves = weight.reshape(n_heads, 2, rows // n_heads // 2, columns)
    return halves.transpose(1, 2).reshape(rows, columns)


def _add(
    writer: Any, name: str, weight: Tensor, config: Any, dtype: Any
) -> None:
    if "q_proj" in name:
        weight = interleave_halves(weight, config.num_attention_heads)
    elif "k_proj" in name:
        weight = interleave_halves(weight, config.num_key_value_heads)
    # Norms stay in float32: llama.cpp expects them so.
    kind = dtype if weight.dim() == 2 else TYPES["float32"]
    data = gguf.quants.quantize(weight.contiguous().numpy(), kind)
    writer.add_tensor(gguf_name(name), data, raw_dtype=kind)


def _describe(writer: Any, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_vocab_size(config.vocab_size)


def _number_tokens(writer: Any, config: Any) -> None:
    size = config.vocab_size
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([f"t{i}" for i in range(size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["t 0"])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_add_bos_token(False)
