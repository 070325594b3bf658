"""Every figure of the book, by chapter.

A function here takes plain data and returns a `Picture`. Nothing is
computed here that a chapter is about.
"""

from .decoding import cache_work, next_token, padded_batch, throughput
from .picture import Picture
from .pretraining import learning_curves, losses
from .rates import intervals

__all__ = [
    "Picture",
    "cache_work",
    "intervals",
    "learning_curves",
    "losses",
    "next_token",
    "padded_batch",
    "throughput",
]
