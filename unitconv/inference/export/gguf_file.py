"""GGUF files for llama.cpp: shape, weights, vocabulary, chat template.

One thing is more than copying: llama.cpp rotates neighboring pairs of a
head where Transformers rotates its two halves, so the rows of `q_proj` and
`k_proj` change places.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import gguf
from gguf import GGMLQuantizationType as Quantisation
from gguf import LlamaFileType as FileType
from gguf import TokenType
from torch import Tensor

from unitconv.common.errors import UnitconvError
from unitconv.inference.export.merged import MergedModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Number types of the matrices; vectors stay in float32.
FILE_TYPES = {
    "f32": (Quantisation.F32, FileType.ALL_F32),
    "f16": (Quantisation.F16, FileType.MOSTLY_F16),
    "q8_0": (Quantisation.Q8_0, FileType.MOSTLY_Q8_0),
}

_DIGITS = {"type": "Digits", "individual_digits": True}
_WORDS = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
#: How a text is cut before pairs of bytes are merged, by llama.cpp's name.
_PRE_TOKENIZERS = {"smollm": [_DIGITS, _WORDS], "gpt-2": [_WORDS]}
_ANOTHER_WAY = (
    "export a folder, and convert it with llama.cpp's convert_hf_to_gguf.py"
)


class ExportError(UnitconvError):
    """Raised for a model, a name or a type that cannot be exported."""


def write_gguf(merged: MergedModel, path: Path, number_type: str) -> None:
    """Write a model with its tokenizer into the new file `path`.

    Args:
        number_type: one of `FILE_TYPES`.

    Raises:
        ExportError: the model is no plain llama, or its tokenizer no
            byte-level BPE that llama.cpp has a name for.
    """
    quantisation, file_type = FILE_TYPES[number_type]
    writer = gguf.GGUFWriter(path, "llama")
    try:
        writer.add_name(merged.title)
        writer.add_description(merged.origin)
        writer.add_file_type(file_type)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        config: Any = merged.model.config
        _add_shape(writer, config)
        _add_vocabulary(writer, merged.tokenizer, config.vocab_size)
        _add_weights(writer, merged.model, quantisation)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def interleave_halves(weight: Tensor, heads: int) -> Tensor:
    """Reorder the rows of each head: 0, h/2, 1, h/2 + 1, ...

    [heads * head_dim, in] in and out.
    """
    halves = weight.unflatten(0, (heads, 2, -1))
    return halves.transpose(1, 2).reshape(weight.shape)


def _add_shape(writer: gguf.GGUFWriter, config: Any) -> None:
    plain = (
        config.model_type == "llama"
        and config.rope_parameters["rope_type"] == "default"
        and config.hidden_act == "silu"
        and not (config.attention_bias or config.mlp_bias)
    )
    if not plain:
        raise ExportError(
            "only plain llama models can be written as GGUF, and this is "
            f"a variant or a {config.model_type}: {_ANOTHER_WAY}"
        )
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


def _add_vocabulary(
    writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, size: int
) -> None:
    """Add tokens, merges, special tokens and the chat template."""
    writer.add_tokenizer_model("gpt2")  # byte-level BPE
    writer.add_tokenizer_pre(_pre_tokenizer_name(tokenizer))
    words = {i: word for word, i in tokenizer.get_vocab().items()}
    kinds = dict.fromkeys(words, TokenType.NORMAL)
    for i, token in tokenizer.added_tokens_decoder.items():
        control = token.special
        kinds[i] = TokenType.CONTROL if control else TokenType.USER_DEFINED
    writer.add_token_list([words.get(i, f"[PAD{i}]") for i in range(size)])
    writer.add_token_types(
        [kinds.get(i, TokenType.UNUSED) for i in range(size)]
    )
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        special = gguf.SpecialVocab(folder, load_merges=True, n_vocab=size)
    # A prompt is read as it is written, as `LLM.encode` reads it.
    special.add_special_token = {"bos": False, "eos": False}
    special.add_to_gguf(writer, quiet=True)


def _pre_tokenizer_name(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return llama.cpp's name of how a tokenizer cuts a text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = json.loads(backend.to_str()) if backend else {}
    cut = parts.get("pre_tokenizer") or {}
    steps = [
        {key: value for key, value in step.items() if key != "trim_offsets"}
        for step in cut.get("pretokenizers", [cut])
    ]
    model = parts.get("model", {}).get("type")
    for name, known in _PRE_TOKENIZERS.items():
        if (model, parts.get("normalizer"), steps) == ("BPE", None, known):
            return name
    raise ExportError(
        "only byte-level BPE like SmolLM2's can be written as GGUF, and "
        f"this model's tokenizer is another: {_ANOTHER_WAY}"
    )


def _add_weights(
    writer: gguf.GGUFWriter,
    model: PreTrainedModel,
    quantisation: Quantisation,
) -> None:
    config: Any = model.config
    names = gguf.get_tensor_name_map(
        gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers
    )
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if "q_proj" in name:
            weight = interleave_halves(weight, config.num_attention_heads)
        elif "k_proj" in name:
            weight = interleave_halves(weight, config.num_key_value_heads)
        gguf_name = names.get_name(name, try_suffixes=(".weight",))
        assert gguf_name, name
        kind = _quantisation_of(weight, quantisation)
        data = gguf.quants.quantize(weight.contiguous().numpy(), kind)
        writer.add_tensor(gguf_name, data, raw_dtype=kind)


def _quantisation_of(weight: Tensor, wanted: Quantisation) -> Quantisation:
    """Return how to store a tensor; q8_0 takes rows in blocks of 32."""
    if weight.ndim == 1:
        return Quantisation.F32
    if wanted == Quantisation.Q8_0 and weight.shape[-1] % 32:
        return Quantisation.F16
    return wanted
