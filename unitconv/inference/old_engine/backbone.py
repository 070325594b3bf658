"""The model's layers, for the one use this engine has.

Transformers' modules serve every model and every use, and ask in each
layer again for masks, caches and kernels. Here are the same layers without
that. Only the norms, the rotation and attention are written anew; every
matrix is the model's own, with whatever adapter is in it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

from unitconv.inference.old_engine.attention import attend
from unitconv.inference.old_engine.cache import PagedCache
from unitconv.inference.old_engine.products import (
    Apply,
    columns,
    computed_in_tiles,
    is_plain,
    matrix,
    padded,
)

#: What a CPU computes in here; any other dtype is left to torch.
ON_A_CPU = (torch.float32, torch.bfloat16)


class NewTokens(NamedTuple):
    """What a pass reads."""

    input_ids: Tensor  #: [rows, width]
    position_ids: Tensor  #: [rows, width]
    #: [rows], where in its row a row's last token stands; not needed where
    #: rows are one token wide.
    ends: Tensor | None = None


class Rotation(NamedTuple):
    """What turns queries and keys by their positions: [tokens, 1, dim]."""

    cos: Tensor
    sin: Tensor  #: the first half negated

    def at(self, tokens: Tensor) -> Rotation:
        """Of some of the tokens only, by number."""
        return Rotation(self.cos[tokens], self.sin[tokens])

    def scaled(self, by: float) -> Rotation:
        """What is turned becomes so many times as long."""
        return Rotation(self.cos * by, self.sin * by)

    def __call__(self, heads: Tensor) -> Tensor:
        """Each pair (i, i + dim / 2) of [tokens, heads, dim] turned, in
        place (Su et al. 2021, arXiv:2104.09864)."""
        other = heads.roll(heads.shape[-1] // 2, dims=-1)
        return heads.mul_(self.cos).addcmul_(other, self.sin)


class Layer:
    """A layer's functions, each looked up once.

    To find a module in a module, and to call it with its hooks, takes
    Python as long as the product of a small matrix and one token.
    """

    def __init__(self, layer: Any) -> None:
        attn, mlp = layer.self_attn, layer.mlp
        self.head_dim, self.scaling = attn.head_dim, attn.scaling
        self.norm = norm(layer.input_layernorm)
        self.query, self.key, self.value = map(
            matrix, (attn.q_proj, attn.k_proj, attn.v_proj)
        )
        # Qwen3 has norms of queries and keys, nobody else.
        normed = hasattr(attn, "q_norm")
        self.query_norm = norm(attn.q_norm) if normed else None
        self.key_norm = norm(attn.k_norm) if normed else None
        # SmolLM3 has layers that do not rotate.
        self.rotates = getattr(attn, "use_rope", True)
        self.mlp_norm = norm(layer.post_attention_layernorm)
        others = attn.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj
        # What adapters make lies in rows, and the rest should not differ.
        self.in_columns = all(map(is_plain, others)) and computed_in_tiles(
            mlp.down_proj.weight
        )
        self.out, self.gate, self.up, self.down = (
            matrix(module, self.in_columns) for module in others
        )
        self.activation = mlp.act_fn
        if type(mlp.act_fn) is nn.SiLU:
            self.activation = partial(silu, inplace=True)

    def keys_and_values(
        self, seen: Tensor, rotation: Rotation
    ) -> tuple[Tensor, Tensor]:
        """Of normed hidden states [tokens, hidden]: each of [tokens,
        heads, head_dim]."""
        key = self._heads(self.key(seen), self.key_norm, rotation)
        return key, self.value(seen).view(len(seen), -1, self.head_dim)

    def queries(self, seen: Tensor, scaled: Rotation) -> Tensor:
        """As `keys_and_values`, for those who ask. Queries are scaled: by
        their rotation, where it costs nothing."""
        heads = self._heads(self.query(seen), self.query_norm, scaled)
        return heads if self.rotates else heads * self.scaling

    def _heads(
        self, flat: Tensor, norm: Apply | None, rotation: Rotation
    ) -> Tensor:
        heads = flat.view(len(flat), -1, self.head_dim)
        if norm is not None:
            heads = norm(heads)
        return rotation(heads) if self.rotates else heads

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """A gated unit (Shazeer 2020, arXiv:2002.05202)."""
        seen = self.mlp_norm(hidden)
        gate: Tensor = self.activation(self.gate(seen))
        return self.down(gate.mul_(self.up(seen)))


def norm(module: Any) -> Apply:
    """RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467)."""
    weight, eps = module.weight, module.variance_epsilon
    if weight.is_cuda or weight.dtype not in ON_A_CPU:
        return partial(
            rms_norm, normalized_shape=weight.shape, weight=weight, eps=eps
        )
    # On a CPU torch's own takes ten operations, this four, and two more
    # for bf16, which computes in float32. With n numbers x of length |x|,
    # sqrt(mean(x^2) + eps) = hypot(|x|, sqrt(n eps)) / sqrt(n).
    root = len(weight) ** 0.5
    scaled = weight.float() * root
    least = torch.tensor(root * eps**0.5)

    def apply(hidden: Tensor) -> Tensor:
        wide = hidden.float()
        place = None if wide is hidden else wide
        unit = _by_length(wide, least, place)
        return unit.mul_(scaled).to(hidden.dtype)

    return apply


def _by_length(tokens: Tensor, least: Tensor, out: Tensor | None) -> Tensor:
    """[tokens, hidden], each divided by hypot(its length, `least`)."""
    if tokens.stride(-1) == 1:
        length = torch.linalg.vector_norm(tokens, dim=-1, keepdim=True)
        return torch.div(tokens, length.hypot_(least), out=out)
    # In columns torch's own length takes one number at a time.
    square = tokens.square().sum(dim=-1, keepdim=True)
    inverse = square.add_(least.square()).rsqrt_()
    return torch.mul(tokens, inverse, out=out)


class Backbone:
    """All layers of a model, without its head."""

    def __init__(self, model: Any) -> None:
        inner = model.base_model
        self.embed, self.rotary = inner.embed_tokens, inner.rotary_emb
        self.layers = [Layer(layer) for layer in inner.layers]
        self.in_columns = all(layer.in_columns for layer in self.layers)
        [self.scaling] = {layer.scaling for layer in self.layers}
        self.norm = norm(inner.norm)

    def __call__(self, new: NewTokens, cache: PagedCache) -> Tensor:
        """Read new tokens, and tell what comes after each row's last.

        Args:
            cache: aimed at these rows; holds their keys and values after.

        Returns:
            [rows, hidden], of which the head makes logits.
        """
        input_ids, position_ids, ends = new
        rows, width = input_ids.shape
        # To everything but attention a batch is a list of tokens, behind
        # which there may be others that nobody asked for.
        hidden = self._laid_out(self.embed(input_ids.flatten()))
        rotation = self._turns(hidden, position_ids)
        scaled = rotation.scaled(self.scaling)
        for number, layer in enumerate(self.layers):
            seen = layer.norm(hidden)[: rows * width]
            key, value = layer.keys_and_values(seen, rotation)
            cache.update(key, value, number)
            if ends is not None and layer is self.layers[-1]:
                # The others were read for their keys and values alone.
                last = ends + torch.arange(rows, device=ends.device) * width
                hidden, seen = self._laid_out(hidden[last]), seen[last]
                scaled, width = scaled.at(last), 1
                cache.look_from(ends)
            query = layer.queries(seen, scaled)
            mixed = attend(
                query.view(rows, width, *query.shape[1:]).transpose(1, 2),
                cache.own(number, key, value),
                cache.prefix(number),
            )
            mixed = padded(mixed.reshape(rows * width, -1), len(hidden))
            hidden += layer.out(mixed)
            hidden += layer.feed_forward(hidden)
        return self.norm(hidden)[: rows * width]

    def _laid_out(self, hidden: Tensor) -> Tensor:
        """[tokens, hidden] as the products of layers leave them."""
        if self.in_columns and len(hidden) > 1:
            return columns(hidden)
        return hidden

    def _turns(self, hidden: Tensor, position_ids: Tensor) -> Rotation:
        """Cosines and sines of the positions, once for all layers."""
        cos, sin = self.rotary(hidden, position_ids)
        dim = cos.shape[-1]
        sin = torch.cat([-sin[..., : dim // 2], sin[..., dim // 2 :]], -1)
        return Rotation(cos.view(-1, 1, dim), sin.view(-1, 1, dim))
