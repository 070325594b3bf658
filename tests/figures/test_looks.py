"""Figures can be read: on a phone, in the dark, in grey, color-blind."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from tests.browser import PHONE, open_browser
from tests.figures.drawings import FIGURES
from tests.figures.shown import LETTERS, unreadable
from unitconv.evaluation.grade import FAILURES
from unitconv.figures import svg
from unitconv.training.rollouts import REJECTION_REASONS

RGB = tuple[float, float, float]
# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
# Colors of the page in the light and in the dark theme.
THEMES = {"light": ("#222832", "#ffffff"), "dark": ("#ced6dd", "#121212")}
PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<style>body {{ color: {}; background: {} }}
.drawing {{ overflow-x: auto }}</style>{}"""


def linear(color: str) -> RGB:
    """Return a color's linear red, green and blue."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in parts
    )
    return red, green, blue


def lab(color: RGB) -> RGB:
    """Return the CIELAB coordinates of a linear color (D65)."""
    r, g, b = color
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (
        max(v, 0) ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116
        for v in xyz
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def as_deuteranope(color: RGB) -> RGB:
    red, green, blue = (
        sum(k * c for k, c in zip(row, color, strict=True))
        for row in DEUTERANOPIA
    )
    return red, green, blue


def blend(look: dict[str, Any], ground: str) -> RGB:
    """Lay a fill over a ground; return the color, linear."""
    *color, opacity = look["fc"]
    below = [int(ground[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = (
        round(255 * opacity * c + (1 - opacity) * g)
        for c, g in zip(color, below, strict=True)
    )
    return linear("#" + "".join(f"{value:02x}" for value in mixed))


def differ(a: RGB, b: RGB) -> bool:
    """Whether two fills differ in grey, and to a deuteranope."""
    in_grey = abs(lab(a)[0] - lab(b)[0])
    seen = [lab(as_deuteranope(color)) for color in (a, b)]
    distance = sum((p - q) ** 2 for p, q in zip(*seen, strict=True)) ** 0.5
    return in_grey > 15 and distance > 15


def test_formulas_know_black_white_and_what_deuteranopes_confuse() -> None:
    assert lab(linear("#ffffff")) == pytest.approx((100, 0, 0), abs=0.05)
    assert lab(linear("#ff0000")) == pytest.approx((53, 80, 67), abs=0.5)
    assert differ(linear("#000000"), linear("#ffffff"))
    # The pink and the grey of an earlier palette.
    assert not differ(linear("#c4689b"), linear("#8a8f98"))


# What may be parts of one bar: classes of errors, reasons of rejection,
# parts that have no color of their own.
BARS = [
    ["right", *FAILURES],
    ["kept", *REJECTION_REASONS],
    ["right", "no answer", "false statement", "namesake", "another unit"],
    [f"part {number}" for number in range(len(svg.HATCHES))],
]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("names", BARS, ids=lambda names: names[0])
def test_parts_of_a_bar_differ_by_hatch_or_clearly_by_shade(
    names: list[str], theme: str
) -> None:
    ground = THEMES[theme][1]
    looks = [svg.part(name, place) for place, name in enumerate(names)]
    shades = [blend(look, ground) for look in looks]
    for a, b in itertools.combinations(range(len(names)), 2):
        same_hatch = looks[a]["hatch"] == looks[b]["hatch"]
        clear = differ(shades[a], shades[b])
        assert clear or not same_hatch, (names[a], names[b])


def test_every_outcome_has_a_color_and_a_hatch_of_its_own() -> None:
    assert {*FAILURES, *REJECTION_REASONS, "right"} <= svg.OUTCOMES.keys()
    meanings: dict[object, set[str]] = {}
    for name, look in svg.OUTCOMES.items():
        meanings.setdefault(look, set()).add(name)
    shared = [names for names in meanings.values() if len(names) > 1]
    assert sorted(map(sorted, shared)) == [
        ["another unit", "wrong unit"],
        ["kept", "right"],
        ["wrong answer", "wrong direction"],
    ]


def test_series_differ_by_marker() -> None:
    for names in (
        ["cot", "sft", "rft-1", "rft-2"],
        ["seed-0", "seed-1", "seed-2"],
        list("abcdef"),
    ):
        looks = [svg.series(name, i) for i, name in enumerate(names)]
        assert len({look["marker"] for look in looks}) == len(names)
    assert svg.series("rft", 4) == svg.series("rft-1", 2)


@pytest.mark.parametrize("theme", THEMES)
def test_letters_are_legible_on_a_phone(theme: str) -> None:
    figures = "".join(draw()._repr_html_() for draw in FIGURES.values())
    with open_browser() as browser:
        page = browser.new_page(viewport=PHONE)
        page.set_content(PAGE.format(*THEMES[theme], figures))
        assert len(page.evaluate(LETTERS)) > 400
        assert unreadable(page) == []


def test_letters_that_cannot_be_read_are_found() -> None:
    drawn = FIGURES["roofline"]().svg
    faint = re.sub(
        r"fill: currentColor(?=[^>]*>slots)", "fill: #aaa", drawn
    )
    small = re.sub(r"min-width:\d+px", "", drawn)
    with open_browser() as browser:
        page = browser.new_page(viewport=PHONE)
        found = []
        for figure in (drawn, small, faint):
            page.set_content(PAGE.format(*THEMES["light"], figure))
            found.append(unreadable(page))
    fine, too_small, too_faint = found
    assert fine == []
    assert len(too_small) > 5
    assert [one.partition(":")[0] for one in too_faint] == ["slots"]
