"""From hidden states to logits, or at once to the most likely token.

Logits are many: 250 rows of 49152 take 24 MB, more than a processor's cache
holds. Who only asks for the largest need not have them all at a time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from unitconv.inference.old_engine.products import (
    Apply,
    computed_in_tiles,
    in_tiles,
    is_plain,
    matrix,
    padded,
    whole_tiles,
)
from unitconv.inference.sampling import greedy

#: Tokens of the vocabulary whose logits fit in a cache, for 256 rows.
PIECE = 16384


class Head:
    """The last matrix of a model."""

    def __init__(self, module: Any) -> None:
        self.logits = matrix(module)
        self.pieces: list[Apply] = [self.logits]
        plain = is_plain(module) and module.bias is None
        if plain and computed_in_tiles(module.weight):
            self.pieces = [
                partial(in_tiles, weight=piece, bias=None, in_columns=True)
                for piece in module.weight.split(PIECE)
            ]

    def __call__(self, hidden: Tensor) -> Tensor:
        """[rows, hidden] -> [rows, vocabulary]."""
        return self.logits(hidden)

    def most_likely(self, hidden: Tensor) -> Tensor:
        """[rows, hidden] -> int64 [rows], the first of equals."""
        if len(hidden) == 1 or len(self.pieces) == 1:
            return greedy(self.logits(hidden))
        full = padded(hidden, whole_tiles(len(hidden)))
        tokens, logits = [], []
        for number, piece in enumerate(self.pieces):
            some = piece(full)[: len(hidden)]
            token = greedy(some)[:, None]
            tokens.append(token + number * PIECE)
            logits.append(some.gather(1, token))
        best = torch.cat(logits, dim=1).argmax(dim=1, keepdim=True)
        return torch.cat(tokens, dim=1).gather(1, best)[:, 0]
