"""Every figure of the book, by chapter.

A function here takes plain data and returns a `Picture`. Nothing is
computed here that a chapter is about.
"""

from .decoding import cache_work, next_token, padded_batch, throughput
from .finetuning import (
    label_masks,
    low_rank,
    rank_sizes,
    training_curves,
)
from .picture import Picture
from .pretraining import learning_curves, losses
from .rates import intervals
from .rollouts import (
    fate_bars,
    grouped_intervals,
    path_counts,
    success_curves,
)

__all__ = [
    "Picture",
    "cache_work",
    "fate_bars",
    "grouped_intervals",
    "intervals",
    "label_masks",
    "learning_curves",
    "losses",
    "low_rank",
    "next_token",
    "padded_batch",
    "path_counts",
    "rank_sizes",
    "success_curves",
    "throughput",
    "training_curves",
]
