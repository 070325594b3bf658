"""Every figure, drawn of small data."""

from collections.abc import Callable

from unitconv import figures
from unitconv.figures import Picture
from unitconv.figures.tokens import Cell

INTERVALS = [(0.5, 0.7), (0.57, 0.63)]
SHAPE = {"hidden": 576, "heads": 9, "kv_heads": 3, "head_dim": 64}
FIGURES: dict[str, Callable[[], Picture]] = {
    "intervals": lambda: figures.intervals(
        ["0.45359237", "b"], [0.6, 0.6], INTERVALS, "x", alt="0.45359237"
    ),
    "grouped_intervals": lambda: figures.grouped_intervals(
        {run: {"mass": (0.5, (0.4, 0.6))} for run in ("first", "second")},
        xlabel="accuracy",
    ),
    "differences": lambda: figures.differences(
        ["up", "down", "none"],
        [0.1, -0.1, 0.1],
        [(0.05, 0.15), (-0.15, -0.05), (-0.05, 0.25)],
        xlabel="difference",
    ),
    "stage_rates": lambda: figures.stage_rates(
        ["base", "RFT"], [0.5, 0.9], [(0.4, 0.6), (0.8, 1)], [0.7, 1]
    ),
    "stage_rates, narrow": lambda: figures.stage_rates(
        ["base", "RFT"], [0.5, 0.9], [(0.4, 0.6), (0.8, 1)], [0.7, 1], True
    ),
    "form_and_content": lambda: figures.form_and_content(
        {
            "raw": ((0.0, (0.0, 0.02)), (0.0, (0.0, 0.02))),
            "chat": ((0.01, (0.0, 0.03)), (0.0, (0.0, 0.02))),
            "cot": ((1.0, (0.98, 1.0)), (0.87, (0.82, 0.91))),
        }
    ),
    "price_of_accuracy": lambda: figures.price_of_accuracy(
        {
            "direct": (11.0, (0.3, (0.25, 0.35))),
            "direct, finer": (12.0, (0.5, (0.45, 0.55))),
            "cot": (41.0, (0.87, (0.82, 0.91))),
        },
        xlabel="tokens",
    ),
    "rank_sizes": lambda: figures.rank_sizes(
        [1, 16], [0.1, 1.4], [0.6, 0.6], INTERVALS
    ),
    "vote_curves": lambda: figures.vote_curves(
        [1, 3],
        {"easy": list(zip([0.7, 0.8], INTERVALS, strict=True))},
        {"easy": [0.7, 0.95]},
        {"easy": 0.85},
    ),
    "success_curves": lambda: figures.success_curves(
        {"T = 0.4": list(zip([0.5, 0.6], INTERVALS, strict=True))}
    ),
    "pass_at_k": lambda: figures.pass_at_k(
        [1, 2],
        {"test": {"base": list(zip([0.5, 0.6], INTERVALS, strict=True))}},
    ),
    "examples_in_prompt": lambda: figures.examples_in_prompt(
        [1, 2],
        {"right": {"base": list(zip([0.5, 0.6], INTERVALS, strict=True))}},
    ),
    "run_curves": lambda: figures.run_curves(
        [1, 2], {"accuracy": {"a": [0.1, 0.2]}, "tokens": {"a": [30, 50]}}
    ),
    "learning_curves": lambda: figures.learning_curves(
        [1000, 10000], {"facts": [0.1, 0.9]}, {"facts": INTERVALS}
    ),
    "losses": lambda: figures.losses(
        {"a": [6.0, 3.0, 2.0], "b": [5.0] * 120}, {"a": 100, "b": 300}
    ),
    "training_curves": lambda: figures.training_curves(
        [(0.5, 1.0), (1.0, 0.5), (2.0, 0.2)],
        [(1.0, 0.6), (2.0, 0.7)],
        [(1.0, 0.5), (2.0, 0.8)],
    ),
    "throughput": lambda: figures.throughput([1, 2, 4], [100, 180, 300]),
    "outcome_bars": lambda: figures.outcome_bars(
        {"T = 0.4": {"kept": 3, "no answer": 1}, "T = 0.8": {"kept": 4}},
        ["kept", "wrong answer", "no answer"],
    ),
    "memory_bars": lambda: figures.memory_bars(
        {"ask": {"weights": 2e9, "cache": 1e9}, "train": {"weights": 2e9}},
        {"T4": 16e9},
    ),
    "errors_by_group": lambda: figures.errors_by_group(
        {
            "before": {"mass": {"UK unit": 0.2, "other": 0.1, "none": 0}},
            "after": {"mass": {"UK unit": 0, "other": 0.1, "none": 0}},
        },
        {"before": {"mass": (0.2, 0.4)}, "after": {"mass": (0.05, 0.2)}},
        xlabel="Share of wrong answers",
    ),
    "before_after": lambda: figures.before_after(
        ["no answer", "other"],
        {"before": [0.5, 0.1], "after": [0.0, 0.1]},
        xlabel="share",
    ),
    "chance": lambda: figures.chance(
        [-3, -2, 0, 1, 2, 3, 3, 4], 3, "gap", "three", both_sides=True
    ),
    "path_counts": lambda: figures.path_counts([0, 1, 1, 3]),
    "cache_work": lambda: figures.cache_work(80, 20),
    "rotations": lambda: figures.rotations([(5, 2), (15, 12)]),
    "shared_heads": lambda: figures.shared_heads({"$a": (4, 2)}),
    "inverse_cdf": lambda: figures.inverse_cdf(
        [" g", "$", "<b>"], [0.6, 0.3, 0.1], 0.7
    ),
    "next_token": lambda: figures.next_token(
        ["6", "$", "<b>"],
        {"T = 0.5": [0.9, 0.1, 0.0], "T = 1": [0.6, 0.3, 0.1]},
    ),
    "token_strip": lambda: figures.token_strip(
        {"cut": ["How", " $", "\n"], "": ["6"]},
        ids={"cut": [17, 2345, 3], "": [4]},
    ),
    "token_strip, shaded": lambda: figures.token_strip(
        {"": ["a", "b"]}, shades={"": [0.2, 1.0]}
    ),
    "cache_filling": lambda: figures.cache_filling(
        ["?", "<|im_end|>", "\n"], ["1", " kg", "$"], first=40
    ),
    "padded_batches": lambda: figures.padded_batches(
        {
            "right": [[Cell("$2", 1, 0), Cell("pad", 0, 0)]],
            "left": [[Cell("pad", 0, 0), Cell("$2", 1, 0)]],
        }
    ),
    "kept_tokens": lambda: figures.kept_tokens(
        {
            "sure": {"$": 0.98, "<b>": 0.01},
            "unsure": {"5": 0.32, "6": 0.32, "7": 0.32, "8": 0.04},
        },
        top_p=0.9,
        threshold=0.4,
    ),
    "sets_by_conversion": lambda: figures.sets_by_conversion(
        {
            "sentences": {"6 kg": [("6 kg in $", "train"), ("?", "test")]},
            "conversions": {"2 m": [("2 m in cm", "test")]},
        }
    ),
    "label_masks": lambda: figures.label_masks(
        {
            "right": [["prompt", "answer", "end", "hidden"]],
            "wrong": [["prompt", "answer", "hidden", "hidden"]],
        }
    ),
    "attention_map": lambda: figures.attention_map(
        ["6", " kg", "?"],
        [[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.5, 0.375, 0.125]],
        title="layer 2, head 0",
    ),
    "attention_steps": lambda: figures.attention_steps(
        ["6", " kg"], [[0.5, 1.25], [2.0, 0.0]], [[1.0, 0.0], [0.75, 0.25]]
    ),
    "low_rank": lambda: figures.low_rank(
        [[1.0], [0.0]], [[0.5, -1.0]], [[0.5, -1.0], [0.0, 0.0]], "$BA$"
    ),
    "course_loop": figures.course_loop,
    "course_loop, narrow": lambda: figures.course_loop(narrow=True),
    "block_drawing": lambda: figures.block_drawing(
        layers=30, intermediate=1536, vocabulary=49152, **SHAPE
    ),
    "parameter_shares": lambda: figures.parameter_shares(
        {"a": {"embedding": 50, "attention": 20, "MLP": 29, "norms": 1}}
    ),
    "slots_over_time": lambda: figures.slots_over_time(
        {"waits": [[0, 1], [0, -1], [0, -1], [2]], "refilled": [[0, 1]]}
    ),
    "page_table": lambda: figures.page_table(
        [[1, 4], [3], []], [20, 16, 0], 16
    ),
    "slots_shared": lambda: figures.slots_shared([8, 8, 4], [2, 5, 3]),
    "ablation_bars": lambda: figures.ablation_bars(
        ["library", "ours"], [3.0, 1.5], [None, (2.0, 1.5, 2.5)]
    ),
    "roofline": lambda: figures.roofline(
        [1, 4], {"engine": [300.0, 900.0]}, [500.0, 2000.0]
    ),
}
