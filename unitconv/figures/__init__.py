"""Every figure of the book, by chapter.

A function here takes plain data and returns a `Picture`. Nothing is
computed here that a chapter is about.
"""

from unitconv.figures.architecture import block_drawing, parameter_shares
from unitconv.figures.attention import attention_map, attention_steps
from unitconv.figures.decoding import (
    cache_filling,
    cache_work,
    next_token,
    padded_batch,
    throughput,
)
from unitconv.figures.engine import (
    ablation_bars,
    page_table,
    roofline,
    slots_over_time,
    slots_shared,
)
from unitconv.figures.finetuning import (
    label_masks,
    low_rank,
    rank_sizes,
    training_curves,
)
from unitconv.figures.intervals import grouped_intervals, intervals
from unitconv.figures.memory import memory_bars
from unitconv.figures.overview import course_loop
from unitconv.figures.pretraining import learning_curves, losses
from unitconv.figures.prompting import (
    form_and_content,
    price_of_accuracy,
    vote_curves,
)
from unitconv.figures.rollouts import (
    fate_bars,
    path_counts,
    success_curves,
)
from unitconv.figures.stages import (
    before_after,
    chance,
    differences,
    errors_by_group,
    stage_rates,
)
from unitconv.figures.svg import Picture
from unitconv.figures.tokens import token_strip

__all__ = [
    "Picture",
    "ablation_bars",
    "attention_map",
    "attention_steps",
    "before_after",
    "block_drawing",
    "cache_filling",
    "cache_work",
    "chance",
    "course_loop",
    "differences",
    "errors_by_group",
    "fate_bars",
    "form_and_content",
    "grouped_intervals",
    "intervals",
    "label_masks",
    "learning_curves",
    "losses",
    "low_rank",
    "memory_bars",
    "next_token",
    "padded_batch",
    "page_table",
    "parameter_shares",
    "path_counts",
    "price_of_accuracy",
    "rank_sizes",
    "roofline",
    "slots_over_time",
    "slots_shared",
    "stage_rates",
    "success_curves",
    "throughput",
    "token_strip",
    "training_curves",
    "vote_curves",
]
