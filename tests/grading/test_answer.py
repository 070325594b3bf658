"""The answer parser and the tolerance: odd cases, and properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.grading.texts import HOSTILE, PIECES, rows, tagged
from unitconv.grading.answer import answer_unit, is_correct, parse_answer

NAN, INF = math.nan, math.inf

# ------------------------------------------------------------ the answer

NUMBERS = [
    ("6000", 6000), ("0", 0), ("007", 7), ("3.14", 3.14), (".5", 0.5),
    ("5.", 5), ("6000.0", 6000), ("0.000001", 1e-6), ("-0.0", 0),
    ("-40", -40), ("+40", 40), ("\u221240", -40), ("6,000", 6000),
    ("1,234,567.89", 1234567.89), ("-6,000", -6000), ("6 000", 6000),
    ("1 234 567", 1234567), ("6\xa0000", 6000), ("6\u202f000", 6000),
    ("6\u2009000", 6000), ("1.5e3", 1500), ("1.5E3", 1500),
    ("1.5e+3", 1500), ("1.5e-3", 0.0015),
    ("2e+04.", 20000), ("1.5e\u22123", 0.0015),
    ("9.461 * 10^15", 9.461e15),
    ("9.461*10^15", 9.461e15),
    ("9.461 x 10^15", 9.461e15),
    ("9.461x10^15", 9.461e15),
    ("9.461 \xd7 10^15", 9.461e15),
    ("9.461 \xb7 10^15", 9.461e15),
    ("9.461 * 10**15", 9.461e15),
    ("9.461 \xd7 10^{15}", 9.461e15),
    ("9.461 * 10^+15", 9.461e15), ("2.5 * 10^-3", 0.0025),
    ("2.5 * 10^{-3}", 0.0025), ("2.5 * 10^\u22123", 0.0025),
    ("-2.5 * 10^3", -2500), ("1,000 * 10^3", 1e6), ("1e-400", 0),
    ("  6000  ", 6000), ("\n6000\n", 6000), ("\t6000", 6000),
    ("\xa06000\xa0", 6000), ("6000 g", 6000), ("6000g", 6000),
    ("6000\xa0g", 6000), ("6000 grams", 6000), ("6000 GRAMS", 6000),
    ("6,000 g ", 6000), ("5 m/s", 5), ("5 cm^3", 5), ("5 cubic meters", 5),
    ("5 fluid ounces", 5), ("1.5e3 m", 1500), ("1.5 * 10^3 m", 1500),
    ("g 6000", 6000), ("12 in", 12),
    ("0." + "0" * 5000 + "1", 0),
]  # fmt: skip
NO_NUMBERS = """
    --40 | +-40 | - | 40- | 60,00 | 6,0000 | 6000,000 | 1,234 567 |
    1,,234 | ,123 | 1,234, | 6.000.000 | 6'000 | 6_000 | 0,500 | 0 500 |
    3,14 | 9.461 * 10^{15 | 9.461 * 10^15} | 9.461 * 10^ |
    9.461 * 100^15 | 9.461 * 10^1.5 | 9.461 10^15 | 9.461 ^ 15 | 1.5e |
    e3 | 1.5e3.5 | 1.5 e3 | 1e400 | -1e400 | 1e99999999999999999999 |
    5 * 10^999999 | 6000 g g | 6000 apples | 6000 gramsx | $6000 | 6000% |
    5 kg 200 g | 5'6 | . | g | six thousand | nan | NaN | inf | -inf |
    Infinity | None | 1/2 | 1 / 2 | 1 1/2 | about 5 | ~5 | <5 | 5 or 6 |
    5-6 | 5 - 6 | 5 to 6 | 5 6 | 5, 6 | 5;6 | 5 = 5 | = 5 | 5! | 5? |
    5.. | 1.2.3 | 6*1000 | 6 * 1000 = 6000 | (5) | **5** | '5' | 0x10 |
    1_000 | 1j
"""
# An en dash, signs and digits outside ASCII, a Kelvin sign, too long.
ODD_NO_NUMBERS = [
    *("", " ", "5\\n", "5\x00", "\u201340", "\xbd", "\u22485", "\u0666"),
    *("\uff16\uff10\uff10\uff10", "10\xb2", "5 \u212a", "9" * 5000),
]
WHOLE_TEXTS = [
    ("1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>", 6000),
    ("<answer>6000</answer> that is 7 kg", 6000),
    ("12 <answer> 6000 </answer> 13", 6000),
    ("<answer>6</answer><answer>7</answer>", 6),
    ("<answer>x</answer><answer>7</answer>", NAN),
    ("<answer></answer>7", NAN),
    ("<answer>6", NAN),
    ("6</answer>", NAN),
    ("6000", NAN),
    ("", NAN),
    ("</answer>6<answer>", NAN),
    ("</answer><answer>6</answer>", 6),
    ("<answer><answer>6</answer></answer>", NAN),
    ("<answer>6<answer>7</answer>", NAN),
    ("<answer>6</Answer></answer>", NAN),
    ("<ANSWER>6</ANSWER>", NAN),
    ("<answer >6</answer>", NAN),
    ("\\boxed{6}", NAN),
    ("The answer is 6.", NAN),
    ("<answer>\n6\n</answer>\n", 6),
    ("Write <answer>5</answer>? I say <answer>6</answer>", 5),
    ("<|im_start|><answer>6</answer><|im_end|>", 6),
    ("&lt;answer&gt;6&lt;/answer&gt;", NAN),
]


@pytest.mark.parametrize(("inside", "value"), NUMBERS)
def test_numbers_in_the_tag(inside: str, value: float) -> None:
    assert parse_answer(tagged(inside)) == value


@pytest.mark.parametrize("inside", [*rows(NO_NUMBERS), *ODD_NO_NUMBERS])
def test_anything_else_is_no_number(inside: str) -> None:
    assert math.isnan(parse_answer(tagged(inside)))


@pytest.mark.parametrize(("text", "value"), WHOLE_TEXTS)
def test_only_the_first_complete_tag_counts(
    text: str, value: float
) -> None:
    assert parse_answer(text) == pytest.approx(value, abs=0, nan_ok=True)


@given(st.text() | PIECES)
@example("<answer>" * 3)
def test_parse_answer_never_raises(text: str) -> None:
    for whole in (text, tagged(text)):
        value = parse_answer(whole)
        assert isinstance(value, float)
        assert not math.isinf(value)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
FORMATS = [
    *("{}", " {} ", "{} kg", "{:,}", "{:.6e}", "{:.3f}"),
    *("{:,.2f} m/s", "{:+}", "{:E}"),
]


@given(FINITE | st.integers(-(10**15), 10**15), st.sampled_from(FORMATS))
def test_parse_answer_reads_what_python_prints(
    number: float, form: str
) -> None:
    printed = form.format(number)
    bare = printed.split("kg")[0].split("m/s")[0].replace(",", "")
    assert parse_answer(f"so {tagged(printed)}.") == float(bare)


@given(st.integers(1, 10**18), st.sampled_from(" ,\u00a0\u2009\u202f"))
def test_parse_answer_reads_thousands(number: int, separator: str) -> None:
    printed = f"{number:,}".replace(",", separator)
    assert parse_answer(tagged(printed)) == float(number)
    assert parse_answer(tagged(f"\u2212{printed}")) == -float(number)


# ------------------------------------------------------------- the grade

# Pairs of answer and truth. Three decimals decide about tiny ones.
CORRECT = [
    (6000, 6000), (6299, 6000), (5701, 6000), (104.999, 100), (95.001, 100),
    (20, 21), (1.049, 1), (-100, -100), (-104, -100), (0, 0), (-0.0, 0),
    (0.0004, 0), (0, 0.0004), (0.0004, 0.0001), (0.001, 0.001),
    (0.0012, 0.0009), (0.0104, 0.01), (1e-9, 1e-12),
    (9.461e15, 9.46e15), (1e308, 1e308),
]  # fmt: skip
WRONG = [
    (105, 100), (95, 100), (6300, 6000), (5700, 6000), (21, 20),
    (1.0506, 1), (-105, -100), (100, -100), (-100, 100), (0.0006, 0),
    (1, 0), (0, 1), (0.001, 0.0004), (0.002, 0.001), (0.011, 0.01),
    (9.461e15, 8.9e15), (-1e308, 1e308), (NAN, 1),
    (1, NAN), (NAN, NAN), (INF, 1), (INF, INF), (1, -INF), (NAN, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [(*pair, True) for pair in CORRECT]
    + [(*pair, False) for pair in WRONG],
)
def test_is_correct(answer: float, truth: float, right: bool) -> None:
    assert is_correct(answer, truth) is right


@given(FINITE, FINITE)
@example(3.15, 3.0)
@example(0.0, 1e-5)
def test_is_correct_is_the_formula(answer: float, truth: float) -> None:
    a, b = round(answer, 3), round(truth, 3)
    formula = abs(a - b) < 0.05 * abs(b)
    assert is_correct(answer, truth) is (formula or a == b == 0)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_parsed_in_linear_time(text: str) -> None:
    """Anything that grows with the square of the length hangs here."""
    assert math.isnan(parse_answer(tagged(text)))


@pytest.mark.parametrize(
    ("inside", "unit"),
    [
        ("6000 g", "g"),
        ("6000", None),
        ("g 6000", "g"),
        ("2.5 fluid ounces", "fluid ounces"),
        ("6000 apples", None),
        ("", None),
    ],
)
def test_answer_unit(inside: str, unit: str | None) -> None:
    assert answer_unit(f"1 kg = 5 t <answer>{inside}</answer> km") == unit
