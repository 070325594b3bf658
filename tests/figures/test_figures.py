"""Every figure is drawn once; then its SVG and its words are checked."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import matplotlib as mpl
import pytest

from unitconv import figures
from unitconv.figures import Picture
from unitconv.figures.svg import BLUE, GREY

SVG = "{http://www.w3.org/2000/svg}"
Drawn = dict[str, Picture]
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
    "padded_batch": lambda: figures.padded_batch(
        [["How", " g"], ["pad", "$2"]], [[1, 1], [0, 1]], [[0, 1], [0, 0]]
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


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    return {name: draw() for name, draw in FIGURES.items()}


def words(picture: Picture) -> list[str]:
    texts = ElementTree.fromstring(picture.svg).iter(f"{SVG}text")
    return [(element.text or "").strip() for element in texts]


def opacities(svg: str, color: str) -> list[float]:
    """Read the opacity of all patches of a color, in drawing order."""
    pattern = rf"fill: {color}(?:; fill-opacity: ([\d.]+))?[;\"]"
    return [float(value or 1) for value in re.findall(pattern, svg)]


def test_every_figure_is_checked() -> None:
    names = {name.partition(",")[0] for name in FIGURES}
    assert names == set(figures.__all__) - {"Picture"}


@pytest.mark.parametrize("name", FIGURES)
def test_svg_follows_the_page_and_is_described(
    drawn: Drawn, name: str
) -> None:
    picture = drawn[name]
    svg = picture.svg
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == picture.alt
    assert len(picture.alt) >= 10
    # Black ink or a white ground would vanish in one of the two themes.
    assert "currentColor" in svg
    assert not re.search(r"#(000000|010203|ffffff|000|fff)\b", svg)
    # References stay inside the figure.
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg)) <= ids


def test_ids_of_different_figures_differ(drawn: Drawn) -> None:
    svgs = " ".join(picture.svg for picture in drawn.values())
    ids = re.findall(r'\bid="([^"]+)"', svgs)
    assert len(ids) == len(set(ids)) > 0


def test_drawing_is_repeatable_and_leaves_matplotlib_unchanged(
    drawn: Drawn,
) -> None:
    before = dict(mpl.rcParams)
    assert figures.course_loop() == drawn["course_loop"]
    assert FIGURES["losses"]() == drawn["losses"]
    # matplotlib settles on its backend at the first figure, ours or not.
    assert dict(mpl.rcParams) | {"backend": 0} == before | {"backend": 0}


def test_coordinates_are_rounded_and_text_is_not(drawn: Drawn) -> None:
    svg = drawn["intervals"].svg
    assert svg.count("0.45359237") == 2  # the label and the description
    places = " ".join(re.findall(r' (?:d|x|y|transform)="([^"]*)"', svg))
    assert not re.search(r"\.\d{3}", places)


@pytest.mark.parametrize("name", ["course_loop", "stage_rates"])
def test_narrow_drawings_say_the_same_and_fit_a_phone(
    drawn: Drawn, name: str
) -> None:
    wide, narrow = drawn[name], drawn[f"{name}, narrow"]
    assert narrow.alt == wide.alt
    assert set(words(narrow)) == set(words(wide))
    [width] = re.findall(r"max-width:(\d+)px", narrow.svg)
    assert int(width) <= 358  # 390, less the margins


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("padded_batch", "1 cells are padding"),
        ("label_masks", "right: 1 of 1 ends are learned; wrong: 0 of 1"),
        ("training_curves", "lowest, 0.600, at epoch 1; the accuracy"),
        ("errors_by_group", "mass before 0.30, UK unit 0.20, other 0.10;"),
        ("chance", "three: 50% of the simulations"),
        ("memory_bars", "ask 3.00; train 2.00. Lines: T4 16"),
        ("outcome_bars", "T = 0.4: 0.75 kept, 0.00 wrong answer, 0.25 no"),
        ("attention_steps", "\u00b7kg before and 1.00 for 6 after"),
        ("parameter_shares", "a: 100, of which 50.0% embedding"),
        ("vote_curves", "0.80 with 3, greedy 0.85, one right among 3 0.95"),
        ("slots_over_time", "waits: 4 steps, 71% of the row-steps"),
        ("ablation_bars", "ours 1.5 s, 2.00\u00d7 (1.50\u20132.50)"),
    ],
)
def test_descriptions_state_the_data(
    drawn: Drawn, name: str, description: str
) -> None:
    assert description in drawn[name].alt


def test_labels_are_those_of_the_data(drawn: Drawn) -> None:
    texts = {name: words(picture) for name, picture in drawn.items()}
    # An id stands under its own token; spaces and line breaks are visible.
    strip = ["cut", "How", "17", "\u00b7$", "2345", "\u21b5", "3", "6", "4"]
    assert texts["token_strip"] == strip
    assert texts["block_drawing"].count("3 \u00d7 64") == 2
    # Labels that would overlap are joined, ticks without room left out.
    assert {"raw, chat", "cot"} <= set(texts["form_and_content"])
    assert "12" not in texts["price_of_accuracy"]
    # A failure that never occurred has no legend.
    assert "none" not in texts["errors_by_group"]


def test_weights_are_opacities_and_significance_is_color(
    drawn: Drawn,
) -> None:
    weak, strong = opacities(drawn["token_strip, shaded"].svg, BLUE)
    assert strong == pytest.approx(5 * weak)
    cells = opacities(drawn["attention_map"].svg, BLUE)
    assert cells == [1, 0.75, 0.25, 0.5, 0.375, 0.125]
    # Of three differences, two exclude zero; the third has a hollow dot.
    svg = drawn["differences"].svg
    # A dot comes with the two ends of its interval.
    assert len(opacities(svg, BLUE)) == 3 * len(opacities(svg, GREY)) > 0
