"""Figures of the book: functions from plain data to a `Picture`.

Modules are split by kind of drawing. Nothing a chapter explains is
computed here.
"""

from unitconv.figures.bars import (
    before_after,
    cache_work,
    chance,
    errors_by_group,
    memory_bars,
    outcome_bars,
    path_counts,
)
from unitconv.figures.curves import (
    examples_in_prompt,
    learning_curves,
    losses,
    pass_at_k,
    run_curves,
    success_curves,
    training_curves,
    vote_curves,
)
from unitconv.figures.decoding import (
    ablation_bars,
    inverse_cdf,
    kept_tokens,
    next_token,
    page_table,
    roofline,
    slots_over_time,
    slots_shared,
    throughput,
)
from unitconv.figures.diagrams import (
    block_drawing,
    course_loop,
    parameter_shares,
    sets_by_conversion,
)
from unitconv.figures.intervals import (
    differences,
    form_and_content,
    grouped_intervals,
    intervals,
    price_of_accuracy,
    rank_sizes,
    stage_rates,
)
from unitconv.figures.matrices import (
    attention_map,
    attention_steps,
    low_rank,
    rotations,
    shared_heads,
)
from unitconv.figures.svg import Picture
from unitconv.figures.tokens import (
    cache_filling,
    label_masks,
    padded_batches,
    token_strip,
)

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
    "examples_in_prompt",
    "form_and_content",
    "grouped_intervals",
    "intervals",
    "inverse_cdf",
    "kept_tokens",
    "label_masks",
    "learning_curves",
    "losses",
    "low_rank",
    "memory_bars",
    "next_token",
    "outcome_bars",
    "padded_batches",
    "page_table",
    "parameter_shares",
    "pass_at_k",
    "path_counts",
    "price_of_accuracy",
    "rank_sizes",
    "roofline",
    "rotations",
    "run_curves",
    "sets_by_conversion",
    "shared_heads",
    "slots_over_time",
    "slots_shared",
    "stage_rates",
    "success_curves",
    "throughput",
    "token_strip",
    "training_curves",
    "vote_curves",
]
