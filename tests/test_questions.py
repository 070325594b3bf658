"""The question set keeps its promises, and a sentence is read as meant."""

from __future__ import annotations

import json
import math
import os
import re
import string
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unitconv.conversions import Conversion, parse_question
from unitconv.phrasings import (
    HARD_PHRASINGS,
    PAIRS,
    PHRASINGS,
    RESERVED,
)
from unitconv.prompts import DIRECT_EXAMPLES, WORKED_EXAMPLES
from unitconv.questions import (
    DATA,
    SIZES,
    SPLITS,
    DataError,
    Question,
    Record,
    leak_key,
    load_split,
    main,
    make_splits,
    normalize,
    question_words,
    read_questions,
    to_json,
    typed,
)
from unitconv.units import (
    BY_NAME,
    FAMILIES,
    SPELLINGS,
    UNITS,
    Unit,
    convert,
)

EASY = ("train", "valid", "test")


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Record]]:
    return make_splits()


# ------------------------------------------------------- the shipped files


def test_the_files_are_what_the_command_writes(
    splits: dict[str, list[Record]],
) -> None:
    for name in SPLITS:
        content = (DATA / f"{name}.json").read_bytes()
        assert content.decode() == to_json(splits[name])
        assert load_split(name) == [r.question for r in splits[name]]


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_set_does_not_depend_on_the_order_of_sets(
    hash_seed: str,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unitconv.questions", "--check"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "nothing has changed\n")


def test_sizes_and_answers(splits: dict[str, list[Record]]) -> None:
    for name in SPLITS:
        assert len(splits[name]) == SIZES[name]
        for record in splits[name]:
            asked = record.conversion
            truth = convert(
                asked.quantity,
                BY_NAME[asked.source].symbol,
                BY_NAME[asked.target].symbol,
            )
            assert asked.answer == truth
            assert record.question.answer == pytest.approx(truth, 1e-11)
            assert 0.01 <= truth <= 1e7


def test_every_family_is_well_represented(
    splits: dict[str, list[Record]],
) -> None:
    for records in splits.values():
        counts = Counter(r.conversion.family for r in records)
        assert set(counts) == set(FAMILIES)
        assert min(counts.values()) >= 0.08 * len(records)


def test_quantities(splits: dict[str, list[Record]]) -> None:
    easy = {*range(1, 13), 0.5, 1.5, 2.5}
    for name in EASY:
        assert {r.conversion.quantity for r in splits[name]} == easy
    hard = {r.conversion.quantity for r in splits["test_hard"]}
    assert not hard & easy
    assert any(10 < q < 100 and q.is_integer() for q in hard)
    assert any(100 <= q < 1000 and q.is_integer() for q in hard)
    assert any(not q.is_integer() for q in hard)


def _is_typed(spelling: str, records: list[Record]) -> bool:
    return any(
        re.search(rf"(?<!\S){re.escape(spelling)}(?![\w/^*])", r.text)
        for r in records
        if spelling in typed(r.conversion.source)
        or spelling in typed(r.conversion.target)
    )


def test_train_holds_every_spelling(
    splits: dict[str, list[Record]],
) -> None:
    missing = [s for s in SPELLINGS if not _is_typed(s, splits["train"])]
    assert missing == []
    # "ounce" for a fluid ounce, too
    fluid = [
        r
        for r in splits["train"]
        if "fluid ounce" in (r.conversion.source, r.conversion.target)
    ]
    assert any("fluid" not in r.text for r in fluid)


# ------------------------------------------------------------ no leak


def _ask_the_same(conversion: Conversion) -> tuple[float, str, str]:
    same = {"cubic centimeter": "milliliter"}
    source, target = conversion.source, conversion.target
    return (
        conversion.quantity,
        same.get(source, source),
        same.get(target, target),
    )


def _assert_no_leak(texts: dict[str, list[str]]) -> None:
    """From the text alone, as a stranger to the generator would check."""
    homes: dict[object, str] = {}
    for split, questions in texts.items():
        plain = [" ".join(text.casefold().split()) for text in questions]
        assert len(plain) == len(set(plain))
        for text in plain:
            assert homes.setdefault(text, split) == split
        for text in questions:
            asked = parse_question(text)
            assert asked is not None
            triple = _ask_the_same(asked)
            assert homes.setdefault(triple, split) == split


def test_no_leak_between_the_shipped_splits() -> None:
    _assert_no_leak(
        {name: [q.text for q in load_split(name)] for name in SPLITS}
    )


@pytest.mark.parametrize("seed", [0, 7])
def test_no_leak_with_another_seed(seed: int) -> None:
    made = make_splits(seed)
    assert made != make_splits()
    _assert_no_leak({n: [r.text for r in made[n]] for n in SPLITS})


def test_the_leak_check_finds_a_leak() -> None:
    for other in ("HOW many cc are  in 6 L?", "6 litres to ml"):
        with pytest.raises(AssertionError):
            _assert_no_leak(
                {"train": ["How many cc are in 6 L?"], "test": [other]}
            )


def test_leak_key() -> None:
    in_ml = Conversion(6.0, "liter", "milliliter")
    in_cc = Conversion(6.0, "liter", "cubic centimeter")
    back = Conversion(6.0, "milliliter", "liter")
    assert leak_key(in_ml) == leak_key(in_cc) != leak_key(back)


def test_what_is_shown_as_an_example_is_not_asked(
    splits: dict[str, list[Record]],
) -> None:
    asked = {r.conversion for n in SPLITS for r in splits[n]}
    for example in WORKED_EXAMPLES + DIRECT_EXAMPLES:
        shown = parse_question(example.question)
        assert shown is not None
        assert shown not in asked
    assert not asked & {Conversion(*triple) for triple in RESERVED}


# ---------------------------------------------------------- phrasings


def test_phrasings_are_many_and_different() -> None:
    assert len(PHRASINGS) >= 40
    assert len(HARD_PHRASINGS) >= 20
    plain = [normalize(p) for p in (*PHRASINGS, *HARD_PHRASINGS)]
    assert len(set(plain)) == len(plain)
    for phrasing in (*PHRASINGS, *HARD_PHRASINGS):
        slots = [f for _, f, _, _ in string.Formatter().parse(phrasing)]
        assert sorted(filter(None, slots)) == [
            "quantity",
            "source",
            "target",
        ]


def test_every_phrasing_is_used(splits: dict[str, list[Record]]) -> None:
    for name in EASY:
        assert {r.phrasing for r in splits[name]} == set(PHRASINGS)
    hard = {r.phrasing for r in splits["test_hard"]}
    assert hard == set(HARD_PHRASINGS)


def test_a_phrasing_gives_its_question(
    splits: dict[str, list[Record]],
) -> None:
    for name in SPLITS:
        for r in splits[name]:
            shape = re.escape(r.phrasing)
            for slot, words in (
                ("quantity", [f"{r.conversion.quantity:g}"]),
                ("source", typed(r.conversion.source)),
                ("target", typed(r.conversion.target)),
            ):
                either = "|".join(re.escape(word) for word in words)
                shape = shape.replace(rf"\{{{slot}\}}", f"(?:{either})")
            assert re.fullmatch(shape, r.text), r


def test_question_words() -> None:
    words = question_words()
    assert {"many", "express", "kilograms", "mph", "manual", "s"} <= words
    assert "answer" not in words
    assert not {"quantity", "source", "target"} & words
    for name in SPLITS:
        for question in load_split(name):
            found = re.findall("[a-z]+", question.text.lower())
            assert set(found) <= words


def test_pairs_are_distinct_and_of_one_family() -> None:
    assert len(set(PAIRS)) == len(PAIRS)
    for source, target in PAIRS:
        assert source != target
        assert BY_NAME[source].family == BY_NAME[target].family
    assert {name for pair in PAIRS for name in pair} == set(BY_NAME)


def test_no_inch_is_lost_among_the_prepositions() -> None:
    for name in SPLITS:
        for question in load_split(name):
            assert " in in in" not in f" {question.text}"


# ------------------------------------------------- what a sentence asks


def test_every_question_of_the_set_is_understood(
    splits: dict[str, list[Record]],
) -> None:
    for name in SPLITS:
        for record in splits[name]:
            assert parse_question(record.text) == record.conversion


UNDERSTOOD = [
    ("How long is 90 minutes in hours?", 90, "minute", "hour"),
    ("what part of a mile is 6 ft", 6, "foot", "mile"),
    ("How many feet are there in a mile?", 1, "mile", "foot"),
    ("half a mile, in km", 0.5, "mile", "kilometer"),
    ("Half an hour is how many seconds?", 0.5, "hour", "second"),
    ("one kg to g", 1, "kilogram", "gram"),
    ("Twelve inches makes how many centimeters?", 12, "inch", "centimeter"),
    ("1,500 m to km", 1500, "meter", "kilometer"),
    ("1,234,567.5 mm in m", 1234567.5, "millimeter", "meter"),
    ("1.5e3 m in km", 1500, "meter", "kilometer"),
    (".5 kg in g", 0.5, "kilogram", "gram"),
    ("-3 km to m", -3, "kilometer", "meter"),
    ("6km in m", 6, "kilometer", "meter"),
    ("A 6-foot plank: how many cm?", 6, "foot", "centimeter"),
    ("6 in to cm", 6, "inch", "centimeter"),
    ("6 in in feet", 6, "inch", "foot"),
    ("6in. in mm", 6, "inch", "millimeter"),
    ("how many in in 6 ft", 6, "foot", "inch"),
    ("6 ft to in", 6, "foot", "inch"),
    ("30 cm in in?", 30, "centimeter", "inch"),
    ("from in to mm for 4 units", 4, "inch", "millimeter"),
    ("Is it far, 26.2 miles in kilometres?", 26.2, "mile", "kilometer"),
    ("kg to g: 6", 6, "kilogram", "gram"),
    ("convert 6 from kg to g", 6, "kilogram", "gram"),
    ("from h into min for 3.", 3, "hour", "minute"),
    ("How many seconds are in 2 minutes?", 2, "minute", "second"),
    ("What's 6 kg in g", 6, "kilogram", "gram"),
    ("6 M in G", 6, "megabyte", "gigabyte"),
    ("6 m in mm", 6, "meter", "millimeter"),
    ("8 B in bits", 8, "byte", "bit"),
    ("60 mph is what in m/s?", 60, "mile per hour", "meter per second"),
    (
        "How many feet per second is 3 KM/H?",
        3,
        "kilometer per hour",
        "foot per second",
    ),
    ("How many ounces in 3 pints", 3, "pint", "fluid ounce"),
    ("3 oz in grams", 3, "ounce", "gram"),
    ("6 cm^3 in ml", 6, "cubic centimeter", "milliliter"),
    ("6 m**3 → L", 6, "cubic meter", "liter"),
    ("6 cubic meters to cubic millimeters", 6, "cubic meter",
     "cubic millimeter"),
    ("3 L of milk, in mL", 3, "liter", "milliliter"),
    ("4 Gallons in Liters", 4, "gallon", "liter"),
    ("I drove 6 miles. How many km was that?", 6, "mile", "kilometer"),
    ("Days in 3 weeks?", 3, "week", "day"),
    ("2 metric tons, I want pounds", 2, "ton", "pound"),
    ("6 kg (in gram)", 6, "kilogram", "gram"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "quantity", "source", "target"),
    UNDERSTOOD,
)
def test_other_ways_to_ask(
    text: str, quantity: float, source: str, target: str
) -> None:
    assert parse_question(text) == Conversion(quantity, source, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How are you?",
        "from kg to g",  # no quantity
        "How many grams in 6?",  # one unit
        "how many in 6 ft",
        "6 in feet",  # 6 of what?
        "convert 6 to g from some kg",
        "6 kg to kg",
        "6 kg in liters",  # nothing to convert
        "6 m to M",
        "3 fluid ounces in oz",  # one and the same
        "6 ft 2 in to cm",  # two quantities
        "6 to 7 kg in g",
        "5-7 kg in g",
        "2 hours and 20 minutes in seconds",
        "I slept 8 hours, yes 8 h, so in minutes?",
        "one kg and 6 lb",
        "6 kg in g or lb",  # two targets
        "2,5 kg in g",  # a comma that groups no thousands
        "1.2.3 kg in g",
        "1/2 mile in km",
        "6 1/2 ft in cm",
        "6th kg in g",
        "6% of a kg in g",
        "kg to g on page 6",
        "6 million km in miles",  # more than its digits
        "twenty-one kg in g",
        "one and a half hours in minutes",
        "a quarter of a mile in km",
        "two dozen inches in cm",
        "6 square meters to square feet",  # another unit
        "How many square feet in 6 m?",
        "How many nautical miles in 6 km?",
        "6 kg/day in g",
        "6 cm3 to ml",
        "Give me a second, how many m in 6 km?",
        "1e400 m in km",  # no finite number
        "\u017fix kg in g",  # a long s is no s
        "6 kg in g? " + "Thanks! " * 100,  # more than a question
    ],
)
def test_none_where_it_cannot_tell(text: str) -> None:
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
def test_two_plain_frames_for_every_pair(
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


# --------------------------------------------------- a person's own file


def _write(path: Path, content: str | bytes) -> Path:
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(raw)
    return path


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    content = '[["6 kg in g", 6000], ["Wie viel? \u00e9", -0.5]]'
    expected = [
        Question("6 kg in g", 6000.0),
        Question("Wie viel? \u00e9", -0.5),
    ]
    path = _write(tmp_path / "mine.json", content)
    assert read_questions(path) == read_questions(str(path)) == expected
    assert isinstance(read_questions(path)[0].answer, float)
    _write(path, content.encode("utf-8-sig"))
    assert read_questions(path) == expected


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[["a", 1],\n ["b" 2]]', "line 2, column 7"),
        ("", "line 1, column 1"),
        ("[]", "at least one entry"),
        ('{"a": 1}', "expected a list"),
        ("6", "expected a list"),
        ('[["a", 1], ["b"]]', "entry 2"),
        ('[["a", 1], "b"]', "entry 2"),
        ('[["a", 1, 2]]', "entry 1"),
        ('[["a", 1], ["b", 2], ["c", "3"]]', "entry 3: the answer"),
        ('[["a", true]]', "entry 1: the answer must be a number, not True"),
        ('[["a", null]]', "entry 1: the answer"),
        ('[["a", NaN]]', "entry 1: the answer must be a finite"),
        ('[["a", -Infinity]]', "entry 1: the answer must be a finite"),
        ('[["a", 1e999]]', "entry 1: the answer must be a finite"),
        (f'[["a", 1{"0" * 400}]]', "entry 1: the answer must be a finite"),
        ('[["", 1]]', "entry 1: the question"),
        ('[[" \\n", 1]]', "entry 1: the question"),
        ("[[6, 1]]", "entry 1: the question"),
        ("[" * 100_000, "cannot be read"),
        (f'[["a", {"9" * 5000}]]', "cannot be read"),
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


def test_no_such_split() -> None:
    with pytest.raises(DataError, match="train, valid, test, test_hard"):
        load_split("dev")


# ------------------------------------------------------ the command line


def test_the_command_writes_checks_and_finds_drift(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "data")]
    assert main([*out, "--check"]) == 1  # nothing there yet
    assert not (tmp_path / "data").exists()
    assert main(out) == 0
    assert main([*out, "--check"]) == 0
    for name in SPLITS:
        made = (tmp_path / "data" / f"{name}.json").read_bytes()
        assert made == (DATA / f"{name}.json").read_bytes()
    assert main([*out, "--check", "--seed", "2"]) == 1
    test = tmp_path / "data" / "test.json"
    entries = json.loads(test.read_text(encoding="utf-8"))
    entries[0][1] += 1
    test.write_text(json.dumps(entries), encoding="utf-8")
    capsys.readouterr()
    assert main([*out, "--check"]) == 1
    assert capsys.readouterr().out == f"differs: {test}\n"
    assert main(out) == 0
    assert main([*out, "--check"]) == 0


def test_one_entry_a_line() -> None:
    lines = (DATA / "train.json").read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("[", "]")
    assert len(lines) == SIZES["train"] + 2
    assert not any(line.rstrip(",]").endswith(".0") for line in lines)
