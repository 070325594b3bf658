"""The figures: valid SVG, the page's colours, words for who cannot see."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import pairwise

import matplotlib as mpl
import pytest

from unitconv import figures
from unitconv.figures import Picture
from unitconv.figures import overview as course
from unitconv.figures.svg import BLUE, COLORS

SVG = "{http://www.w3.org/2000/svg}"
FIGURES: dict[str, Callable[[], Picture]] = {
    "intervals": lambda: figures.intervals(
        ["n = 100", "n = 1000"],
        [0.6, 0.6],
        [(0.5, 0.7), (0.57, 0.63)],
        xlabel="accuracy",
        alt="Two intervals.",
    ),
    "course_loop": figures.course_loop,
    "narrow_loop": lambda: figures.course_loop(narrow=True),
    "cache_work": lambda: figures.cache_work(80, 20),
    "cache_filling": lambda: figures.cache_filling(
        ["?", "<|im_end|>", "\n"], ["1", " kg", "$"], first=40
    ),
    "next_token": lambda: figures.next_token(
        ["6", "$", "<b>"],
        {"T = 0.5": [0.9, 0.1, 0.0], "T = 1": [0.6, 0.3, 0.1]},
    ),
    "padded_batch": lambda: figures.padded_batch(
        [["How", " g"], ["pad", "$2"]], [[1, 1], [0, 1]], [[0, 1], [0, 0]]
    ),
    "throughput": lambda: figures.throughput([1, 2, 4], [100, 180, 300]),
    "token_strip": lambda: figures.token_strip(
        {"cut": ["How", " $", "\n"], "": ["6"]},
        ids={"cut": [17, 2345, 3], "": [4]},
    ),
    "shaded_strip": lambda: figures.token_strip(
        {"": ["a", "b"]}, shades={"": [0.2, 1.0]}
    ),
    "block_drawing": lambda: figures.block_drawing(
        layers=30,
        hidden=576,
        heads=9,
        kv_heads=3,
        head_dim=64,
        intermediate=1536,
        vocabulary=49152,
    ),
    "attention_map": lambda: figures.attention_map(
        ["6", " kg", "?"],
        [[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.5, 0.375, 0.125]],
        title="layer 2, head 0",
    ),
    "attention_steps": lambda: figures.attention_steps(
        ["6", " kg"], [[0.5, 1.25], [2.0, 0.0]], [[1.0, 0.0], [0.75, 0.25]]
    ),
    "parameter_shares": lambda: figures.parameter_shares(
        {
            "a": {"embedding": 50, "attention": 20, "MLP": 29, "norms": 1},
            "b": {"embedding": 0, "attention": 10, "MLP": 30, "norms": 0},
        }
    ),
    "losses": lambda: figures.losses(
        {"a": [6.0, 3.0, 2.0], "b": [5.0] * 120}, {"a": 100, "b": 300}
    ),
    "learning_curves": lambda: figures.learning_curves(
        [1000, 10000],
        {"facts": [0.1, 0.9]},
        {"facts": [(0.05, 0.2), (0.85, 0.95)]},
    ),
    "label_masks": lambda: figures.label_masks(
        {
            "right": [["prompt", "answer", "end", "hidden"]],
            "wrong": [["prompt", "answer", "hidden", "hidden"]],
        }
    ),
    "low_rank": lambda: figures.low_rank(
        [[1.0], [0.0], [-1.0]],
        [[0.5, -1.0]],
        [[0.5, -1.0], [0.0, 0.0], [-0.5, 1.0]],
        "$BA$",
    ),
    "training_curves": lambda: figures.training_curves(
        [(0.5, 1.0), (1.0, 0.5), (2.0, 0.2)],
        [(1.0, 0.6), (2.0, 0.7)],
        [(1.0, 0.5), (2.0, 0.8)],
    ),
    "rank_sizes": lambda: figures.rank_sizes(
        [1, 16], [0.1, 1.4], [0.6, 0.7], [(0.5, 0.7), (0.6, 0.8)]
    ),
    "success_curves": lambda: figures.success_curves(
        {
            "T = 0.4": [(0.5, (0.4, 0.6)), (0.6, (0.5, 0.7))],
            "T = 0.8": [(0.4, (0.3, 0.5)), (0.7, (0.6, 0.8))],
        }
    ),
    "grouped_intervals": lambda: figures.grouped_intervals(
        {
            "round 1": {"mass": (0.5, (0.4, 0.6)), "time": (1, (0.9, 1))},
            "round 2": {"mass": (0.7, (0.6, 0.8)), "time": (1, (0.9, 1))},
        },
        xlabel="accuracy",
    ),
    "fate_bars": lambda: figures.fate_bars(
        {"T = 0.4": {"kept": 3, "no answer": 1}, "T = 0.8": {"kept": 4}},
        ["kept", "wrong answer", "no answer"],
    ),
    "path_counts": lambda: figures.path_counts([0, 1, 1, 3]),
    "stage_rates": lambda: figures.stage_rates(
        ["base", "RFT"], [0.0, 0.9], [(0.0, 0.01), (0.88, 0.92)], [0.1, 1]
    ),
    "narrow_rates": lambda: figures.stage_rates(
        ["base"], [0.5], [(0.4, 0.6)], [0.7], narrow=True
    ),
    "chance": lambda: figures.chance(
        [-3, 0, 0, 1, 3], 3, "difference", "three or more", both_sides=True
    ),
    "differences": lambda: figures.differences(
        ["a to b", "b to c"],
        [0.1, 0.0],
        [(0.05, 0.15), (-0.02, 0.02)],
        xlabel="difference",
    ),
    "before_after": lambda: figures.before_after(
        ["no answer", "other"],
        {"before": [0.5, 0.1], "after": [0.0, 0.1]},
        xlabel="share",
    ),
    "errors_by_group": lambda: figures.errors_by_group(
        {
            "before": {
                "mass": {"namesake": 0.2, "other": 0.1, "no answer": 0.0},
                "time": {"namesake": 0.0, "other": 0.3, "no answer": 0.0},
            },
            "after": {
                "mass": {"namesake": 0.0, "other": 0.1, "no answer": 0.0},
                "time": {"namesake": 0.0, "other": 0.0, "no answer": 0.0},
            },
        },
        {
            "before": {"mass": (0.2, 0.4), "time": (0.2, 0.4)},
            "after": {"mass": (0.05, 0.2), "time": (0.0, 0.1)},
        },
        xlabel="Share of wrong answers",
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
    "vote_curves": lambda: figures.vote_curves(
        [1, 3],
        {
            "easy": [(0.7, (0.6, 0.8)), (0.8, (0.7, 0.9))],
            "hard": [(0.4, (0.3, 0.5)), (0.45, (0.4, 0.5))],
        },
        {"easy": [0.7, 0.95], "hard": [0.4, 0.6]},
        {"easy": 0.85, "hard": 0.5},
    ),
    "slots_over_time": lambda: figures.slots_over_time(
        {
            "waits": [[0, 1], [0, -1], [0, -1], [2]],
            "refilled": [[0, 1], [0, 2], [0]],
        }
    ),
    "page_table": lambda: figures.page_table(
        [[1, 4], [3], []], [20, 16, 0], 16
    ),
    "slots_shared": lambda: figures.slots_shared([8, 8, 4], [2, 5, 3]),
    "ablation_bars": lambda: figures.ablation_bars(
        ["library", "ours"], [3.0, 1.5], [None, (2.0, 1.5, 2.5)]
    ),
    "memory_bars": lambda: figures.memory_bars(
        {"ask": {"weights": 2e9, "cache": 1e9}, "train": {"weights": 2e9}},
        {"T4": 16e9},
    ),
    "roofline": lambda: figures.roofline(
        [1, 4],
        {"engine": [300.0, 900.0], "reference": [280.0, 600.0]},
        [500.0, 2000.0],
    ),
}
every_figure = pytest.mark.parametrize("name", FIGURES)


def parse(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(picture.svg)


def words(picture: Picture) -> list[str]:
    texts = parse(picture).iter(f"{SVG}text")
    return [(element.text or "").strip() for element in texts]


@every_figure
def test_svg_is_valid_and_described(name: str) -> None:
    picture = FIGURES[name]()
    root = parse(picture)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == picture.alt
    assert len(picture.alt) > 10


@every_figure
def test_ink_follows_the_page(name: str) -> None:
    svg = FIGURES[name]().svg
    assert "currentColor" in svg
    # Nothing drawn in black or on white would show in both themes.
    assert not re.search(r"#(000000|010203|ffffff|000|fff)\b", svg)


@every_figure
def test_drawing_twice_gives_the_same_bytes(name: str) -> None:
    assert FIGURES[name]() == FIGURES[name]()


def test_ids_of_different_figures_do_not_meet() -> None:
    ids = [
        element.get("id")
        for draw in FIGURES.values()
        for element in parse(draw()).iter()
        if element.get("id")
    ]
    assert ids
    assert len(ids) == len(set(ids))


@every_figure
def test_references_stay_inside_the_figure(name: str) -> None:
    svg = FIGURES[name]().svg
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    assert used <= ids


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(mpl.rcParams)
    FIGURES["throughput"]()
    after = dict(mpl.rcParams)
    # matplotlib settles on its backend at the first figure, ours or not.
    assert after | {"backend": None} == before | {"backend": None}


def test_places_are_rounded_and_letters_left_alone() -> None:
    svg = figures.intervals(
        ["0.45359237"], [0.5], [(0.4, 0.6)], xlabel="x", alt="0.45359237"
    ).svg
    assert svg.count("0.45359237") == 2  # the label and the description
    places = " ".join(re.findall(r' (?:d|x|y|transform)="([^"]*)"', svg))
    assert re.search(r"\.\d\d\b", places)
    assert not re.search(r"\.\d{3}", places)


@pytest.mark.parametrize("places", [course.WIDE, course.NARROW])
def test_arrows_of_the_loop_are_straight_and_meet_no_other_box(
    places: dict[str, tuple[int, int]],
) -> None:
    assert len(set(places.values())) == len(places)
    for chain in (course.ASKING, course.LEARNING):
        for start, end in pairwise(chain):
            (x, y), (to_x, to_y) = places[start], places[end]
            assert (x == to_x) != (y == to_y)
            passed = {
                name
                for name, (column, row) in places.items()
                if min(x, to_x) <= column <= max(x, to_x)
                and min(y, to_y) <= row <= max(y, to_y)
            }
            assert passed == {start, end}


def test_narrow_drawings_say_the_same_and_fit_a_phone() -> None:
    rates = ["base", "RFT"], [0.5, 0.9], [(0.4, 0.6), (0.8, 1)], [0.7, 1]
    for wide, narrow in (
        (figures.course_loop(), figures.course_loop(narrow=True)),
        (
            figures.stage_rates(*rates),
            figures.stage_rates(*rates, narrow=True),
        ),
    ):
        assert narrow.alt == wide.alt
        assert set(words(narrow)) == set(words(wide))
        width = re.search(r"max-width:(\d+)px", narrow.svg)
        assert width
        assert int(width[1]) <= 358  # 390, less the margins


def test_padded_batch_shows_tokens_and_positions() -> None:
    texts = {
        (element.text or "").strip()
        for element in parse(FIGURES["padded_batch"]()).iter(f"{SVG}text")
    }
    assert {"How", "\u00b7g", "pad", "$2", "0", "1", "-"} <= texts
    assert "1 cells are padding" in FIGURES["padded_batch"]().alt


def test_cache_work_says_the_numbers() -> None:
    alt = FIGURES["cache_work"]().alt
    assert "from 80 to 99" in alt


def test_label_masks_count_the_ends() -> None:
    alt = FIGURES["label_masks"]().alt
    assert "right: 1 of 1 ends" in alt
    assert "wrong: 0 of 1 ends" in alt


def test_training_curves_name_the_best_epochs() -> None:
    alt = FIGURES["training_curves"]().alt
    assert "lowest, 0.600, at epoch 1" in alt
    assert "highest, 0.800, at epoch 2" in alt


def test_errors_by_group_leave_out_what_never_happened() -> None:
    figure = FIGURES["errors_by_group"]()
    texts = [e.text or "" for e in parse(figure).iter(f"{SVG}text")]
    assert "namesake" in texts
    assert "no answer" not in texts
    assert "mass before 0.30, namesake 0.20, other 0.10" in figure.alt


def test_chance_counts_what_reaches_the_mark() -> None:
    values = [-3.0, -2.0, 0.0, 1.0, 2.0, 3.0, 3.0, 4.0]
    one = figures.chance(values, 3, "gap", "seen").alt
    assert "seen: 38% of the simulations" in one
    two = figures.chance(values, 3, "gap", "seen", both_sides=True).alt
    assert "seen: 50% of the simulations" in two


def test_differences_in_colour_are_those_that_leave_out_zero() -> None:
    def ink(low: float, high: float) -> str:
        return figures.differences(
            ["a"], [(low + high) / 2], [(low, high)], "gap"
        ).svg

    assert BLUE in ink(0.05, 0.15)
    assert BLUE in ink(-0.15, -0.05)
    assert BLUE not in ink(-0.05, 0.25)


def test_slots_over_time_draws_stretches_and_counts_what_waits() -> None:
    picture = FIGURES["slots_over_time"]()
    assert "waits: 4 steps, 71% of the row-steps" in picture.alt
    assert "refilled: 3 steps, 100% of the row-steps" in picture.alt
    # Each row is one bar in each panel, and the one that waits is hatched.
    fills = [COLORS[row] for row in (0, 1, 2)]
    assert [picture.svg.count(f"fill: {color}") for color in fills] == [
        *(2, 2, 2)
    ]
    assert picture.svg.count("url(#") > 0


def test_page_table_gives_the_pages_of_each_slot() -> None:
    picture = FIGURES["page_table"]()
    assert "slot 0, 20 tokens: 1, 4; slot 1, 16 tokens: 3" in picture.alt


def test_slots_shared_tells_what_sharing_saves() -> None:
    alt = FIGURES["slots_shared"]().alt
    assert "3 decoding steps: up to 8 replies" in alt
    assert "in up to 5 slots. Sharing saves 50%" in alt


def test_memory_bars_add_up_the_parts() -> None:
    picture = FIGURES["memory_bars"]()
    assert "ask 3.00; train 2.00. Lines: T4 16" in picture.alt
    assert picture.svg.count(f"fill: {BLUE}") > 0


def test_ablation_bars_give_seconds_and_gains_with_their_range() -> None:
    alt = FIGURES["ablation_bars"]().alt
    assert "library 3 s; ours 1.5 s, 2.00\u00d7 (1.50\u20132.50)" in alt


def test_roofline_describes_the_ends_of_each_line() -> None:
    alt = FIGURES["roofline"]().alt
    assert "1 to 4 slots: engine 300 to 900" in alt
    assert "roofline 500 to 2,000" in alt


def shown_texts(name: str) -> list[str]:
    return words(FIGURES[name]())


def opacities(svg: str, color: str) -> list[float]:
    """Of all patches filled with a colour, in the order drawn."""
    found = re.findall(
        rf"fill: {color}(?:; fill-opacity: ([\d.]+))?[;\"]", svg
    )
    return [float(value or 1) for value in found]


def test_token_strip_shows_tokens_with_their_ids() -> None:
    # A space and a line break are seen, an id stands under its own token.
    order = ["cut", "How", "17", "\u00b7$", "2345", "\u21b5", "3", "6", "4"]
    assert shown_texts("token_strip") == order


def test_token_strip_wraps_what_is_too_long() -> None:
    def lines(tokens: list[str]) -> int:
        root = parse(figures.token_strip({"": tokens}))
        marks = {
            float(element.get("y", "nan"))
            for element in root.iter(f"{SVG}text")
        }
        return len(marks)

    assert lines(["gram"] * 5) == 1
    assert lines(["gram"] * 30) > 1
    assert lines(["user", "\n", "6"]) == 2


def test_token_strip_is_filled_by_weight() -> None:
    svg = FIGURES["shaded_strip"]().svg
    weak, strong = opacities(svg, BLUE)
    assert strong == pytest.approx(5 * weak)


def test_block_drawing_has_the_shapes_of_the_model() -> None:
    texts = shown_texts("block_drawing")
    assert "30 such blocks" in texts
    assert "embedding: 49,152 \u00d7 576" in texts
    # Queries have their own number of heads, keys and values another.
    assert texts.count("9 \u00d7 64") == 1
    assert texts.count("3 \u00d7 64") == 2
    assert texts.count("1536") == 2


def test_attention_map_draws_weights_and_no_later_token() -> None:
    picture = FIGURES["attention_map"]()
    assert opacities(picture.svg, BLUE) == [
        1,
        0.75,
        0.25,
        0.5,
        0.375,
        0.125,
    ]
    assert "\u00b7kg at 6 with 0.75" in picture.alt


def test_attention_steps_cross_out_later_scores_and_weigh_the_rest() -> (
    None
):
    picture = FIGURES["attention_steps"]()
    shown = shown_texts("attention_steps")
    # The score of a later token is read, its weight is not even drawn.
    assert [text for text in shown if "." in text] == [
        *("0.50", "1.25", "2.00", "0.00"),
        *("1.00", "0.75", "0.25"),
    ]
    one, most, least = [x for x in opacities(picture.svg, BLUE) if x]
    assert (most / one, least / one) == pytest.approx((0.75, 0.25))
    assert picture.svg.count("stroke: #8a8f98; stroke-opacity: 0.6") == 1
    assert "6 has 0.50 for 6, 1.25 for ·kg before and 1.00 for 6 after" in (
        picture.alt
    )


def test_parameter_shares_are_of_each_models_own_total() -> None:
    picture = FIGURES["parameter_shares"]()
    assert "a: 100, of which 50.0% embedding" in picture.alt
    assert "b: 40, of which 0.0% embedding, 25.0% attention" in picture.alt
    assert "75%" in shown_texts("parameter_shares")


def test_names_that_would_meet_stand_in_one_label() -> None:
    picture = FIGURES["form_and_content"]()
    texts = {
        (element.text or "").strip()
        for element in parse(picture).iter(f"{SVG}text")
    }
    assert {"raw, chat", "cot"} <= texts
    assert "chat answered 0.01, right 0.00" in picture.alt


def test_price_of_accuracy_marks_costs_that_have_room() -> None:
    picture = FIGURES["price_of_accuracy"]()
    texts = {
        (element.text or "").strip()
        for element in parse(picture).iter(f"{SVG}text")
    }
    assert {"11", "41"} <= texts
    assert "12" not in texts
    assert "direct, finer 0.50 for 12" in picture.alt


def test_vote_curves_tell_first_and_last_of_each_set() -> None:
    picture = FIGURES["vote_curves"]()
    assert (
        "easy: 0.70 with 1, 0.80 with 3, greedy 0.85, one right among 3 "
        "0.95; hard: 0.40 with 1" in picture.alt
    )
    assert {"easy", "hard"} <= {
        (element.text or "").strip()
        for element in parse(picture).iter(f"{SVG}text")
    }
