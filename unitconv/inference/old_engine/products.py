"""A product of tokens and a model's weights, and how its tokens lie.

Most processors multiply rows of numbers as they lie. Some have tiles, which
Intel calls AMX: blocks of bf16 multiplied at once, for which the second
matrix of a product is first put into another order. Written as usual,
tokens times weights, that is the large one, again at each step. Written the
other way round it is the small one, and what a token becomes lies in a
column of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

Apply = Callable[[Tensor], Tensor]
#: Tokens in columns are a multiple of these; any other number takes longer.
TILES = 32


def computed_in_tiles(tensor: Tensor) -> bool:
    """By a CPU's AMX instructions, which multiply tiles of bf16."""
    if tensor.device.type != "cpu" or tensor.dtype != torch.bfloat16:
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def is_plain(module: Any) -> bool:
    """Is it a matrix, and nothing but that?"""
    hooks = (module._forward_pre_hooks, module._forward_hooks)
    return type(module) is nn.Linear and not any(hooks)


def matrix(module: Any, in_columns: bool = False) -> Apply:
    """The product itself, or a module that does more, such as LoRA's.

    Args:
        in_columns: may what a token becomes lie in a column?
    """
    if not is_plain(module):
        return module
    apply = linear
    if computed_in_tiles(module.weight):
        apply = partial(in_tiles, in_columns=in_columns)
    return partial(apply, weight=module.weight, bias=module.bias)


def in_tiles(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, in_columns: bool
) -> Tensor:
    """[tokens, hidden] times weights [out, hidden]: [tokens, out]."""
    if len(hidden) == 1:  # no tiles: to order anything takes longer
        product = torch.mv(weight, hidden[0])[None]
    elif in_columns:
        full = padded(hidden, whole_tiles(len(hidden)))
        product = (weight @ full.T).T[: len(hidden)]
    else:
        return linear(hidden, weight, bias)
    return product if bias is None else product + bias


def columns(hidden: Tensor) -> Tensor:
    """[tokens, hidden] with each token in a column, as many as fill the
    tiles, of which the last ones are zeros."""
    return padded(hidden, whole_tiles(len(hidden))).T.contiguous().T


def whole_tiles(tokens: int) -> int:
    """The next number of tokens that fill their tiles."""
    return -(-tokens // TILES) * TILES


def padded(hidden: Tensor, tokens: int) -> Tensor:
    """[some, hidden] with zeros behind it: [tokens, hidden]."""
    lack = tokens - len(hidden)
    return pad(hidden, (0, 0, 0, lack)) if lack else hidden
