"""The question parser, and question files."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unitconv.task.dataset import (
    DataError,
    Question,
    read_questions,
)
from unitconv.task.question_parser import Conversion, parse_question
from unitconv.task.units import BY_NAME, SPELLINGS, UNITS, Unit

# ------------------------------------------------- what a sentence asks


UNDERSTOOD = [
    ("How long is 90 minutes in hours?", 90, "minute", "hour"),
    ("what part of a mile is 6 ft", 6, "foot", "mile"),
    ("How many feet are there in a mile?", 1, "mile", "foot"),
    ("half a mile, in km", 0.5, "mile", "kilometer"),
    ("Twelve inches makes how many centimeters?", 12, "inch", "centimeter"),
    ("1,234,567.5 mm in m", 1234567.5, "millimeter", "meter"),
    ("1.5e3 m in km", 1500, "meter", "kilometer"),
    (".5 kg in g", 0.5, "kilogram", "gram"),
    ("-3 km to m", -3, "kilometer", "meter"),
    ("A 6-foot plank: how many cm?", 6, "foot", "centimeter"),
    ("6 in to cm", 6, "inch", "centimeter"),
    ("6 in in feet", 6, "inch", "foot"),
    ("6in. in mm", 6, "inch", "millimeter"),
    ("how many in in 6 ft", 6, "foot", "inch"),
    ("30 cm in in?", 30, "centimeter", "inch"),
    ("from in to mm for 4 units", 4, "inch", "millimeter"),
    ("Is it far, 26.2 miles in kilometres?", 26.2, "mile", "kilometer"),
    ("kg to g: 6", 6, "kilogram", "gram"),
    ("convert 6 from kg to g", 6, "kilogram", "gram"),
    ("6 M in G", 6, "megabyte", "gigabyte"),
    ("6 m in mm", 6, "meter", "millimeter"),
    ("60 mph is what in M/S?", 60, "mile per hour", "meter per second"),
    ("How many ounces in 3 pints", 3, "pint", "fluid ounce"),
    ("3 oz in grams", 3, "ounce", "gram"),
    ("6 cm^3 in ml", 6, "cubic centimeter", "milliliter"),
    ("6 m**3 → L", 6, "cubic meter", "liter"),
    ("I drove 6 miles. How many km was that?", 6, "mile", "kilometer"),
    ("2 metric tons, I want pounds", 2, "ton", "pound"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "quantity", "source", "target"), UNDERSTOOD
)
def test_clear_questions(
    text: str, quantity: float, source: str, target: str
) -> None:
    assert parse_question(text) == Conversion(quantity, source, target)


# No quantity, one unit, nothing to convert, two quantities, two targets;
# numbers and units that are more than they seem.
UNCLEAR = """
    How are you? | from kg to g | How many grams in 6? | how many in 6 ft |
    6 in feet | convert 6 to g from some kg | 6 kg to kg | 6 kg in liters |
    6 m to M | 3 fluid ounces in oz | 6 ft 2 in to cm | 6 to 7 kg in g |
    5-7 kg in g | 2 hours and 20 minutes in seconds | one kg and 6 lb |
    I slept 8 hours, yes 8 h, so in minutes? | 6 kg in g or lb |
    2,5 kg in g | 1.2.3 kg in g | 1/2 mile in km | 6 1/2 ft in cm |
    6th kg in g | 6% of a kg in g | kg to g on page 6 | 1e400 m in km |
    6 million km in miles | twenty-one kg in g | two dozen inches in cm |
    one and a half hours in minutes | a quarter of a mile in km |
    6 square meters to square feet | How many square feet in 6 m? |
    How many nautical miles in 6 km? | 6 kg/day in g | 6 cm3 to ml |
    Give me a second, how many m in 6 km?
"""


@pytest.mark.parametrize(
    "text",
    [
        *(text.strip() for text in UNCLEAR.split(" |")),
        "",
        "\u017fix kg in g",  # a long s is no s
        "6 kg in g? " + "Thanks! " * 100,  # more than a question
    ],
)
def test_unclear_questions_give_none(text: str) -> None:
    assert parse_question(text) is None


LITTLE_WORDS = """6 2.5 1,000 1e300 half a an one of to into in from for per
how many what is convert square ? . : - /"""
WORDS = [*SPELLINGS, *LITTLE_WORDS.split()]


@settings(deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
    | st.lists(st.sampled_from(WORDS), max_size=9).map("".join)
)
def test_any_text_gives_a_conversion_or_none(text: str) -> None:
    asked = parse_question(text)
    if asked is not None:
        assert math.isfinite(asked.answer)
        assert asked.source != asked.target
        assert asked.family == BY_NAME[asked.target].family


@settings(deadline=None)
@given(
    st.sampled_from([(a, b) for a in UNITS for b in UNITS if a != b]),
    st.integers(0, 9999)
    | st.floats(0.001, 1000).map(lambda x: round(x, 3)),
)
def test_two_plain_templates_for_every_pair(
    pair: tuple[Unit, Unit], quantity: float
) -> None:
    a, b = pair
    number = f"{quantity:f}".rstrip("0").rstrip(".")
    first = parse_question(
        f"{number} {a.spellings[-1]} to {b.spellings[-1]}"
    )
    long = f"How many {b.spellings[-1]} are in {number} {a.spellings[-1]}?"
    assert parse_question(long) == first
    if {a.name, b.name} == {"ounce", "fluid ounce"}:
        assert first is None
    elif a.family == b.family:
        assert first == Conversion(float(number), a.name, b.name)
    else:
        # only an ounce changes its family with the other side
        volume = "volume" in (a.family, b.family)
        assert bool(first) == ("ounce" in (a.name, b.name) and volume)


# -------------------------------------------------------- question files


def _write(path: Path, content: str | bytes) -> Path:
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(raw)
    return path


def test_a_readers_own_file(tmp_path: Path) -> None:
    content = '[["6 kg in g", 6000], ["Wie viel? \u00e9", -0.5]]'
    for encoding in ("utf-8", "utf-8-sig"):
        path = _write(tmp_path / "mine.json", content.encode(encoding))
        first, second = read_questions(path)
        assert first == Question("6 kg in g", 6000.0)
        assert second == Question("Wie viel? \u00e9", -0.5)
        assert isinstance(first.answer, float)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[["a", 1],\n ["b" 2]]', "line 2, column 7"),
        ("", "line 1, column 1"),
        ("[]", "at least one entry"),
        ('{"a": 1}', "expected a list"),
        ('[["a", 1], ["b"]]', "entry 2"),
        ('[["a", 1, 2]]', "entry 1"),
        ('[["a", 1], ["b", 2], ["c", "3"]]', "entry 3: the answer"),
        ('[["a", true]]', "entry 1: the answer must be a number, not True"),
        ('[["a", null]]', "entry 1: the answer"),
        ('[["a", NaN]]', "entry 1: the answer must be a finite"),
        (f'[["a", 1{"0" * 400}]]', "entry 1: the answer must be a finite"),
        ('[[" \\n", 1]]', "entry 1: the question"),
        ("[[6, 1]]", "entry 1: the question"),
        ("[" * 100_000, "cannot be read"),
        (b'[["\xff", 1]]', "byte 3 is not UTF-8"),
    ],
)
def test_a_bad_file_is_named(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    path = _write(tmp_path / "mine.json", content)
    with pytest.raises(DataError) as error:
        read_questions(path)
    assert str(path) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, "nul\0.json"):
        with pytest.raises(DataError, match=re.escape(str(path))):
            read_questions(path)
