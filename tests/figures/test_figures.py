"""Every figure is drawn once; then its SVG and its words are checked."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import pytest

from tests.figures.drawings import FIGURES
from unitconv import figures
from unitconv.figures import Picture
from unitconv.figures.svg import BLUE, GREY

SVG = "{http://www.w3.org/2000/svg}"
Drawn = dict[str, Picture]


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
        ("padded_batches", "left: in the last column 1 of 1 cells"),
        ("kept_tokens", "unsure: top-p keeps 3, a threshold 0"),
        ("sets_by_conversion", "sentences, 6 kg: test and train; conv"),
        ("label_masks", "right: 1 of 1 ends are learned; wrong: 0 of 1"),
        ("training_curves", "lowest, 0.600, at epoch 1; the accuracy"),
        ("errors_by_group", "mass before 0.30, UK unit 0.20, other 0.10;"),
        ("chance", "three: 50% of the simulations"),
        ("memory_bars", "ask 3.00; train 2.00. Lines: T4 at 16"),
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
