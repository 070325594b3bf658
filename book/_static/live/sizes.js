"use strict";
/* Sizes of a Llama, from its config.json, and what its tensors are for. */

window.unitconv = window.unitconv || {};
{
  function readSizes(config) {
    return {
      layers: config.num_hidden_layers,
      hidden: config.hidden_size,
      inner: config.intermediate_size,
      heads: config.num_attention_heads,
      kvHeads: config.num_key_value_heads,
      headDim: config.head_dim,
      vocabulary: config.vocab_size,
      context: config.max_position_embeddings,
      eps: config.rms_norm_eps,
      theta: config.rope_parameters.rope_theta,
      tied: config.tie_word_embeddings,
    };
  }

  /* Names of a layer's tensors, by what they are used for. */
  function layerTensors(layer) {
    const part = (name) => `model.layers.${layer}.${name}.weight`;
    return {
      norm1: part("input_layernorm"),
      query: part("self_attn.q_proj"),
      key: part("self_attn.k_proj"),
      value: part("self_attn.v_proj"),
      output: part("self_attn.o_proj"),
      norm2: part("post_attention_layernorm"),
      gate: part("mlp.gate_proj"),
      up: part("mlp.up_proj"),
      down: part("mlp.down_proj"),
    };
  }

  /* Names of the tensors outside of the layers. With tied embeddings the
     matrix that reads tokens also scores the next one. */
  function outerTensors(sizes) {
    const embedding = "model.embed_tokens.weight";
    return {
      embedding,
      norm: "model.norm.weight",
      unembedding: sizes.tied ? embedding : "lm_head.weight",
    };
  }

  Object.assign(window.unitconv, { readSizes, layerTensors, outerTensors });
}
