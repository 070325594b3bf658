"""The grader: a table of odd answers, another of odd equations, and what
must hold for every text there is."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from unitconv.grading.answer import is_correct, parse_answer
from unitconv.grading.audit import audit_reasoning, reasoning_is_valid

NAN = math.nan


def tagged(inside: str) -> str:
    return f"<answer>{inside}</answer>"


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


# ------------------------------------------------------------ the answer

INSIDE_THE_TAG = [
    # integers and decimals
    ("6000", 6000),
    ("0", 0),
    ("007", 7),
    ("3.14", 3.14),
    (".5", 0.5),
    ("5.", 5),
    ("6000.0", 6000),
    ("0.000001", 1e-6),
    ("-0.0", 0),
    # signs
    ("-40", -40),
    ("+40", 40),
    ("\u221240", -40),  # the minus a typesetter uses
    ("--40", NAN),
    ("+-40", NAN),
    ("\u201340", NAN),  # an en dash
    ("-", NAN),
    ("40-", NAN),
    # thousands separators, right and wrong
    ("6,000", 6000),
    ("1,234,567.89", 1234567.89),
    ("-6,000", -6000),
    ("6 000", 6000),
    ("1 234 567", 1234567),
    ("6\u00a0000", 6000),  # no-break space
    ("6\u202f000", 6000),  # narrow no-break space
    ("6\u2009000", 6000),  # thin space
    ("60,00", NAN),
    ("6,0000", NAN),
    ("6000,000", NAN),
    ("1,234 567", NAN),
    ("1,,234", NAN),
    (",123", NAN),
    ("1,234,", NAN),
    ("6.000.000", NAN),
    ("6'000", NAN),
    ("6_000", NAN),
    ("0,500", NAN),  # a decimal comma, not five hundred
    ("0 500", NAN),
    ("3,14", NAN),
    # powers of ten
    ("1.5e3", 1500),
    ("1.5E3", 1500),
    ("1.5e+3", 1500),
    ("1.5e-3", 0.0015),
    ("1.5e\u22123", 0.0015),
    ("9.461 * 10^15", 9.461e15),
    ("9.461*10^15", 9.461e15),
    ("9.461 x 10^15", 9.461e15),
    ("9.461x10^15", 9.461e15),
    ("9.461 \u00d7 10^15", 9.461e15),
    ("9.461 \u00b7 10^15", 9.461e15),
    ("9.461 * 10**15", 9.461e15),
    ("9.461 \u00d7 10^{15}", 9.461e15),
    ("9.461 * 10^+15", 9.461e15),
    ("2.5 * 10^-3", 0.0025),
    ("2.5 * 10^{-3}", 0.0025),
    ("2.5 * 10^\u22123", 0.0025),
    ("-2.5 * 10^3", -2500),
    ("1,000 * 10^3", 1e6),
    ("9.461 * 10^{15", NAN),
    ("9.461 * 10^15}", NAN),
    ("9.461 * 10^", NAN),
    ("9.461 * 100^15", NAN),
    ("9.461 * 10^1.5", NAN),
    ("9.461 10^15", NAN),
    ("9.461 ^ 15", NAN),
    ("1.5e", NAN),
    ("e3", NAN),
    ("1.5e3.5", NAN),
    ("1.5 e3", NAN),
    ("1e400", NAN),
    ("-1e400", NAN),
    ("1e99999999999999999999", NAN),
    ("1e-400", 0),
    ("5 * 10^999999", NAN),
    ("9" * 5000, NAN),
    ("0." + "0" * 5000 + "1", 0),
    # space and units around it
    ("  6000  ", 6000),
    ("\n6000\n", 6000),
    ("\t6000", 6000),
    ("\u00a06000\u00a0", 6000),
    ("6000 g", 6000),
    ("6000g", 6000),
    ("6000\u00a0g", 6000),
    ("6000 grams", 6000),
    ("6000 GRAMS", 6000),
    ("6,000 g ", 6000),
    ("5 m/s", 5),
    ("5 cm^3", 5),
    ("5 cubic meters", 5),
    ("5 fluid ounces", 5),
    ("1.5e3 m", 1500),
    ("1.5 * 10^3 m", 1500),
    ("g 6000", 6000),
    ("12 in", 12),
    ("6000 g g", NAN),
    ("6000 apples", NAN),
    ("6000 gramsx", NAN),
    ("$6000", NAN),
    ("6000%", NAN),
    ("5 kg 200 g", NAN),
    ("5'6", NAN),
    # no number, or not one number
    ("", NAN),
    (" ", NAN),
    (".", NAN),
    ("g", NAN),
    ("six thousand", NAN),
    ("nan", NAN),
    ("NaN", NAN),
    ("inf", NAN),
    ("-inf", NAN),
    ("Infinity", NAN),
    ("None", NAN),
    ("1/2", NAN),
    ("1 / 2", NAN),
    ("1 1/2", NAN),
    ("\u00bd", NAN),
    ("about 5", NAN),
    ("~5", NAN),
    ("\u22485", NAN),
    ("<5", NAN),
    ("5 or 6", NAN),
    ("5-6", NAN),
    ("5 - 6", NAN),
    ("5 to 6", NAN),
    ("5 6", NAN),
    ("5, 6", NAN),
    ("5;6", NAN),
    ("5 = 5", NAN),
    ("= 5", NAN),
    ("5!", NAN),
    ("5?", NAN),
    ("5..", NAN),
    ("1.2.3", NAN),
    ("6*1000", NAN),
    ("6 * 1000 = 6000", NAN),
    ("(5)", NAN),
    ("**5**", NAN),
    ("'5'", NAN),
    ("5\\n", NAN),
    ("0x10", NAN),
    ("1_000", NAN),
    ("1j", NAN),
    ("5\x00", NAN),
    ("\uff16\uff10\uff10\uff10", NAN),  # full-width digits
    ("\u0666", NAN),  # an Arabic-Indic six
    ("10\u00b2", NAN),  # a superscript two
    ("5 \u212a", NAN),  # the Kelvin sign is no k
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
    ("<answer>6</answer</answer>", NAN),
    ("<answer>6</Answer></answer>", NAN),
    ("<ANSWER>6</ANSWER>", NAN),
    ("<answer >6</answer>", NAN),
    ("< answer>6</answer>", NAN),
    ("<answer/>6</answer>", NAN),
    ("answer>6</answer>", NAN),
    ("[answer]6[/answer]", NAN),
    ("\\boxed{6}", NAN),
    ("The answer is 6.", NAN),
    ("<answer>\n6\n</answer>\n", 6),
    ("Write <answer>5</answer>? I say <answer>6</answer>", 5),
    ("<|im_start|><answer>6</answer><|im_end|>", 6),
    ("&lt;answer&gt;6&lt;/answer&gt;", NAN),
]


@pytest.mark.parametrize(("inside", "value"), INSIDE_THE_TAG)
def test_the_number_in_the_tag(inside: str, value: float) -> None:
    assert same(parse_answer(tagged(inside)), value)


@pytest.mark.parametrize(("text", "value"), WHOLE_TEXTS)
def test_the_tag_in_a_text(text: str, value: float) -> None:
    assert same(parse_answer(text), value)


PIECES = st.lists(
    st.sampled_from(
        [
            *"0159.,+-*/^xeE ()<>{}=\n\u2212\u00a0",
            *["000", "10^", "10**", "kg", "m/s", "cm^3", "fluid ounce"],
            *["apples", "and", "is", "equals", "is equal to", "**"],
            *["<answer>", "</answer>"],
        ]
    ),
    max_size=40,
).map("".join)


@given(st.text() | PIECES)
@example("<answer>" * 3)
def test_parse_answer_never_raises(text: str) -> None:
    for whole in (text, tagged(text)):
        value = parse_answer(whole)
        assert isinstance(value, float)
        assert not math.isinf(value)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
FORMATS = [
    "{}",
    " {} ",
    "{} kg",
    "{:,}",
    "{:.6e}",
    "{:.3f}",
    "{:,.2f} m/s",
    "{:+}",
    "{:E}",
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


@given(
    st.decimals(1, 10, places=4).filter(lambda d: d < 10),
    st.integers(-200, 200),
    st.sampled_from([" * 10^{}", " x 10**{}", "\u00d710^{{{}}}", "e{}"]),
)
def test_parse_answer_reads_scientific_notation(
    digits: Decimal, power: int, form: str
) -> None:
    printed = f"{digits}{form.format(power)}"
    assert parse_answer(tagged(printed)) == float(f"{digits}e{power}")


# ------------------------------------------------------------- the grade


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        (6000, 6000, True),
        (6299, 6000, True),
        (5701, 6000, True),
        # 5 % off exactly is too much
        (105, 100, False),
        (95, 100, False),
        (6300, 6000, False),
        (5700, 6000, False),
        (104.999, 100, True),
        (95.001, 100, True),
        (20, 21, True),
        (21, 20, False),
        (1.049, 1, True),
        (1.0506, 1, False),
        # signs
        (-100, -100, True),
        (-104, -100, True),
        (-105, -100, False),
        (100, -100, False),
        (-100, 100, False),
        # zero leaves no room
        (0, 0, True),
        (-0.0, 0, True),
        (0.0004, 0, True),
        (0.0006, 0, False),
        (1, 0, False),
        (0, 1, False),
        (0, 0.0004, True),
        (0.0004, 0.0001, True),
        (0.001, 0.0004, False),
        # three decimals decide about tiny ones
        (0.001, 0.001, True),
        (0.0012, 0.0009, True),
        (0.002, 0.001, False),
        (0.0104, 0.01, True),
        (0.011, 0.01, False),
        (1e-9, 1e-12, True),
        # large
        (9.461e15, 9.46e15, True),
        (9.461e15, 8.9e15, False),
        (1e308, 1e308, True),
        (-1e308, 1e308, False),
        # no number
        (NAN, 1, False),
        (1, NAN, False),
        (NAN, NAN, False),
        (math.inf, 1, False),
        (math.inf, math.inf, False),
        (1, -math.inf, False),
        (NAN, 0, False),
    ],
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


@given(
    st.integers(1, 10**9).map(lambda n: Fraction(n, 1000)),
    st.integers(0, 200),
)
def test_is_correct_in_exact_fractions(
    truth: Fraction, per_mille: int
) -> None:
    """Away from the edge, floats decide as fractions do."""
    assume(per_mille != 50)
    answer = round(truth * (1 + Fraction(per_mille, 1000)), 3)
    off = abs(answer - truth) / truth
    assume(abs(off - Fraction(1, 20)) > Fraction(1, 10**9))
    right = off < Fraction(1, 20)
    assert is_correct(float(answer), float(truth)) is right


# ------------------------------------------------------------- the audit

T, F, N = True, False, None

AUDITED: list[tuple[str, list[bool | None]]] = [
    # one equation
    ("6 * 1000 = 6000", [T]),
    ("6 * 1000 = 600", [F]),
    ("6 x 1000 = 6000", [T]),
    ("6x1000=6000", [T]),
    ("6 \u00d7 1000 = 6000", [T]),
    ("6 \u00b7 1000 = 6001", [T]),
    ("6 * 1000 \u2248 6000", [T]),
    ("6000 / 6 = 1000", [T]),
    ("6000 \u00f7 6 = 100", [F]),
    ("5 + 7 = 12", [T]),
    ("5 + 7 = 13", [F]),
    ("5 - 7 = -2", [T]),
    ("5 \u2212 7 = \u22122", [T]),
    ("5 - 7 = 2", [F]),
    ("6000 = 6 * 1000", [T]),
    ("2 * 3 = 12 / 2", [T]),
    ("6 * 1000 is 6000", [T]),
    ("6 * 1000 equals 600", [F]),
    ("6 * 1000 is equal to 6000", [T]),
    ("6 times 1000 is 6000", [T]),
    ("6000 divided by 6 is 100", [F]),
    ("6 multiplied by 1000 equals 6000.", [T]),
    ("5 plus 7 is 12, 5 minus 7 is 2", [T, F]),
    # numbers
    ("6,000 / 6 = 1,000", [T]),
    ("1 500 * 2 = 3 000", [T]),
    ("2.5 * 60 = 150.", [T]),
    ("2.5 * 60 = 1.50.", [F]),
    (".5 * 10 = 5", [T]),
    ("1.5e3 * 2 = 3000", [T]),
    ("1500 * 2 = 3e3", [T]),
    ("3 * 10^3 = 3000", [T]),
    ("3 * 10^{3} = 300", [F]),
    ("3 * 10**-3 = 0.003", [T]),
    ("-6 * 5 = -30", [T]),
    ("6 * -5 = -30", [T]),
    ("6 * -5 = 30", [F]),
    ("0 * 5 = 0", [T]),
    ("0.1 + 0.2 - 0.3 = 0", [T]),
    ("10 / 3 = 3.33", [T]),
    ("10 / 3 = 3", [F]),
    ("100 * 1 = 101", [T]),
    ("100 * 1 = 102", [F]),
    # brackets and precedence
    ("(5 + 3) * 2 = 16", [T]),
    ("5 + 3 * 2 = 11", [T]),
    ("5 + 3 * 2 = 16", [F]),
    ("12 / 2 / 3 = 2", [T]),
    ("10 - 3 - 2 = 5", [T]),
    ("((2 + 2) * (3 - 1)) / 4 = 2", [T]),
    ("2 * (3 + 4 = 14", [F]),  # what one reads is "3 + 4 = 14"
    ("(68 - 32) * 5 / 9 = 20", [T]),
    # chains
    ("6 * 1000 = 6000 = 6 * 10^3", [T, T]),
    ("6 * 1000 = 6000 = 600 * 1", [T, F]),
    ("2 * 3 = 6, 6 * 4 = 24; 24 * 2 = 50", [T, T, F]),
    ("Since 2 * 3 = 6 and 6 * 4 = 25 we stop", [T, F]),
    ("2 * 3 = 6 so 6 * 4 = 24 then 24 * 2 = 48", [T, T, T]),
    # units in the arithmetic
    ("6 kg * 1000 = 6000 g", [T]),
    ("6 kg * 1000 g/kg = 6000 g", [T]),
    ("6 * 1000 g = 6000 g", [T]),
    ("6 * 1000 = 600 g", [F]),
    ("6 kg * 1000 g / 1 kg = 6000 g", [T]),
    ("1 km * 2 = 2000 m", [T]),
    ("3 days - 1 day = 2 days", [T]),
    ("3 days - 1 day = 3 days", [F]),
    ("6 kg + 200 g = 6.2 kg", [N]),  # mixed: not one unit
    ("2 boxes * 12 = 24", [T]),
    # facts
    ("1 kg = 1000 g", [T]),
    ("1 kg is 100 g.", [F]),
    ("1 kilogram equals 1,000 grams", [T]),
    ("1 hour is equal to 60 minutes", [T]),
    ("1 ft = 12 in", [T]),
    ("1 in = 2.54 cm", [T]),
    ("1 mile = 1.609 km", [T]),
    ("1 mile = 1.6 km", [T]),
    ("1 mile = 1.5 km", [F]),
    ("1 m/s = 3.6 km/h", [T]),
    ("60 mph is 60 km/h", [F]),
    ("1 m^3 = 1000 L", [T]),
    ("1 cm^3 = 1 mL", [T]),
    ("1 mm^3 = 0.000000001 m^3", [T]),
    ("1 mm^3 = 0.000000002 m^3", [F]),
    ("3 feet = 36 inches", [T]),
    ("36 inches = 3 feet", [T]),
    ("6 kg = 6 * 1000 g", [T]),
    ("6 kg = 6 * 100 g", [F]),
    ("6 kg = 6 * 1000 = 6000 g", [T, T]),  # the ends agree as well
    ("6 kg = 6 * 100 = 600 g", [T, F]),  # or do not
    ("6 kg is 6 x 1000 = 6000 g", [T, T]),
    ("1 pint = 16 ounces", [T]),  # fluid, beside a volume
    ("1 pound = 16 ounces", [T]),
    ("1\u00a0kg = 1000\u00a0g", [T]),
    ("1 kg = 1 hour", [F]),
    ("0.5 kg = 500 g", [T]),
    ("-1 kg = -1000 g", [T]),
    # conventions we do not follow
    ("1 KB = 1024 B", [F]),
    ("1 KB = 1000 B", [T]),
    ("1 ton = 907.2 kg", [F]),
    ("1 ton = 2000 pounds", [F]),
    ("1 ton = 1000 kg", [T]),
    ("1 gallon = 4.546 liters", [F]),
    ("1 gallon = 3.785 liters", [T]),
    ("1 month = 30 days", [F]),
    ("1 year = 365 days", [T]),
    ("1 MB = 8 Mb", [N]),  # Mb: no unit of ours
    # several of them
    ("1 kg = 1000 g. 6 * 1000 = 6000.", [T, T]),
    ("1 kg = 1000 g, so 6 * 1000 = 600", [T, F]),
    ("1 kg = 1000 g => 6 * 1000 = 6000", [T, T]),
    ("Since 1 km is 1000 m, 6 km is 6 * 1000 = 6000 m", [T, T, T]),
    # facts told in words
    ("There are 1000 g in 1 kg.", [T]),
    ("there are 999 g in 1 oz, so", [F]),
    ("Each foot has 12 inches", [T]),
    ("one kg is 100 g", [F]),
    ("the factor from km to m is 1000", [T]),
    ("the factor from km to m is 100", [F]),
    ("multiply 6 by 1000 to get 6000", [T]),
    ("multiply 6 by 1000 to get 600", [F]),
    ("there are 60 apples in 1 hour", []),
    ("1 yard = 3 feet and 1 foot = 12 inches", [T, T]),
    ("Step 1: 1 kg = 1000 g\nStep 2: 6 * 1000 = 6000", [T, T]),
    ("- 1 kg = 1000 g\n- 6 * 1000 = 6000", [T, T]),
    ("* 6 * 1000 = 6000\n* 2 * 3 = 7", [T, F]),
    ("1. 6 * 5 = 30\n2. 30 * 2 = 60", [T, T]),
    ("1) 6 * 5 = 30 2) 30 * 2 = 61", [T, F]),
    ("**6 * 1000 = 6000**", [T]),
    ("- **Result:** **6 * 5 = 31**", [F]),
    ("so - 6 * 5 = 30", [T]),
    ("| 6 * 5 = 30 | 2 * 2 = 5 |", [T, F]),
    ("1 kg = 1000 g (one thousand)", [T]),
    ("(6 * 5 = 30)", [T]),
    # not checkable
    ("6 / 0 = 0", [N]),
    ("6 kg = 6 / 0 g", [N]),
    ("1 / (2 - 2) = 5", [N]),
    ("1 dozen = 12 eggs", [N]),
    ("1 cup = 8 ounces", [N]),
    ("1 kg = 3 apples", [N]),
    ("9" * 400 + " kg = 5 g", [N]),
    ("9" * 400 + " * 2 = 5", [N]),
    # a piece of something we do not read is not judged
    ("5^2 * 3 = 75", [N]),
    ("2**3 * 2 = 16", [N]),
    ("3 / 4 = 75%", [N]),
    ("y + 5 * 2 = 20", [N]),
    ("sqrt(16) * 2 = 8", [N]),
    ("0,5 * 2 = 1", [N]),
    ("5 feet 6 inches = 66 inches", [N]),
    ("90 minutes = 1 hour 30 minutes", [N]),
    ("1 hour and 30 minutes = 90 minutes", [N]),
    ("90 minutes = 1 hour and 30 minutes.", [N]),
    ("+".join("1" * 60) + " = 60", [N]),
    ("60 = " + "+".join("1" * 60), [N]),
    # says nothing
    ("", []),
    ("6000", []),
    ("It is 6000.", []),
    ("The answer is 6000 g.", []),
    ("x = 5", []),
    ("5 = 5", []),
    ("=", []),
    ("= = =", []),
    ("6 * = 5", []),
    ("* 6 = ", []),
    ("How many g are in 6 kg?", []),
    ("1 kg is not 100 g", []),
    ("6 kg = 6 * 1000", []),
    ("1 kg = 1000 and more", []),
    ("This is 1 of 3", []),
    ("6 kg\n= 6000 g", []),
    # the tag is no reasoning
    ("<answer>6 * 5 = 31</answer>", []),
    ("6 * 5 = <answer>31</answer>", []),
    ("6 * 5 = 30 <answer>1 kg = 1 g</answer> 2 * 2 = 5", [T, F]),
    ("6 * 5 = 30 <answer>2 * 2 = 5", [T]),
]


@pytest.mark.parametrize(("text", "verdicts"), AUDITED)
def test_audit(text: str, verdicts: list[bool | None]) -> None:
    claims = audit_reasoning(text)
    assert [claim.verdict for claim in claims] == verdicts, claims
    checked = [v for v in verdicts if v is not None]
    assert reasoning_is_valid(text) is (bool(checked) and all(checked))


def test_the_table_is_large() -> None:
    assert len({text for text, _ in AUDITED}) == len(AUDITED) >= 60
    for verdict in (True, False, None):
        cases = [v for _, verdicts in AUDITED for v in verdicts]
        assert cases.count(verdict) >= 15


def test_a_claim_says_what_it_is_about() -> None:
    text = "1 kg = 1000 g, so 6 * 1000 = 6,000 and 5 + 5 = 11."
    claims = audit_reasoning(text)
    assert [(c.kind, c.text, c.verdict) for c in claims] == [
        ("fact", "1 kg = 1000 g", True),
        ("arithmetic", "6 * 1000 = 6,000", True),
        ("arithmetic", "5 + 5 = 11", False),
    ]


@given(st.text() | PIECES)
@example("9" * 400 + " kg = 9 g")
@example("1e999 kg = 1 g")
@example("1 kg = 1e999 g")
def test_audit_never_raises(text: str) -> None:
    claims = audit_reasoning(text)
    assert {claim.verdict for claim in claims} <= {True, False, None}
    assert isinstance(reasoning_is_valid(text), bool)


OPERANDS = st.decimals(Decimal("0.01"), 10_000, places=2)
WRITTEN = st.sampled_from(
    [
        ("*", "*"),
        ("*", "x"),
        ("*", "\u00d7"),
        ("*", "times"),
        ("/", "/"),
        ("/", "divided by"),
        ("+", "+"),
        ("-", "-"),
    ]
)
SENTENCES = st.sampled_from(
    [
        "{a} {op} {b} = {c}",
        "{a} {op} {b} is {c}.",
        "So {a} {op} {b} = {c} g, done.",
        "- {a} {op} {b} equals {c}\nNext",
        "1 kg = 1000 g. ({a} {op} {b}) = {c}",
        "{c} = {a} {op} {b}",
    ]
)


@given(OPERANDS, WRITTEN, OPERANDS, SENTENCES, st.integers(-999, 999))
def test_a_true_equation_is_true_and_a_wrong_one_false(
    a: Decimal,
    operator: tuple[str, str],
    b: Decimal,
    sentence: str,
    wrong: int,
) -> None:
    meant, typed = operator
    x, y = Fraction(a), Fraction(b)
    exact = {
        "*": lambda: x * y,
        "/": lambda: x / y,
        "+": lambda: x + y,
        "-": lambda: x - y,
    }[meant]()
    assume(abs(exact) > Fraction(1, 1000))

    def verdict(value: Fraction) -> bool | None:
        c = f"{float(value):.8f}"
        text = sentence.format(a=a, op=typed, b=b, c=c)
        return audit_reasoning(text)[-1].verdict

    assert verdict(exact) is True
    assert verdict(exact * Fraction(1005, 1000)) is True
    assume(abs(wrong) > 30)
    assert verdict(exact * (1 + Fraction(wrong, 1000))) is False


# Typed from NIST SP 811 (2008), appendix B.8: how many b make one a.
NIST = [
    ("inch", "cm", "2.54"),
    ("foot", "m", "0.3048"),
    ("mile", "km", "1.609344"),
    ("pound", "kg", "0.4535924"),
    ("gallon", "liters", "3.785412"),
    ("mph", "m/s", "0.44704"),
    ("day", "seconds", "86400"),
]


@given(
    st.sampled_from(NIST),
    st.integers(1, 500),
    st.integers(-900, 900),
)
def test_a_true_fact_is_true_and_a_wrong_one_false(
    fact: tuple[str, str, str], quantity: int, wrong: int
) -> None:
    a, b, factor = fact
    exact = quantity * Fraction(factor)

    def verdict(value: Fraction) -> bool | None:
        text = f"We know {quantity} {a} = {float(value):.6f} {b}."
        [claim] = audit_reasoning(text)
        assert claim.kind == "fact"
        return claim.verdict

    assert verdict(exact) is True
    assume(abs(wrong) > 30)
    assert verdict(exact * (1 + Fraction(wrong, 1000))) is False


# ---------------------------------------------------- texts made to hurt

MANY = 50_000
HOSTILE = {
    "spaces": "5" + " " * MANY + "x",
    "spaces before": " " * MANY + "x",
    "no-break spaces": "5" + "\u00a0" * MANY + "x",
    "digits": "9" * MANY,
    "groups": "1" + ",000" * (MANY // 4) + "x",
    "spaced groups": "1" + " 000" * (MANY // 4) + "x",
    "power": "1e" + "9" * MANY,
    "long power": "5 * 10^" + "9" * MANY,
    "signs": "-" * MANY + "=" + "-" * MANY,
    "letters": "a" * MANY,
    "rates": "a/" * (MANY // 2),
    "times": "x" + " " * MANY,
    "brackets": "(" * MANY + "1" + ")" * MANY + " * 1 = 1",
    "equals": "=" * MANY,
    "open tags": "<answer>" * (MANY // 8),
    "tags": "<answer></answer>" * (MANY // 17),
    "stars": "*" * MANY,
    "words": "metric " * (MANY // 7),
    "chain": "1 = " * (MANY // 20),
    "sum": "1 + " * (MANY // 20) + "1 = 5",
    "powers": "10^" * (MANY // 20),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_read_to_the_end(text: str) -> None:
    """Anything that grows with the square of the length hangs here."""
    assert math.isnan(parse_answer(tagged(text)))
    assert not reasoning_is_valid(text)
    audit_reasoning("6 * 5 = 30\n" + text)


# ------------------------------------------------------------- rival units


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        # UK Weights and Measures Act 1985; NIST SP 811 for the ton.
        ("1 UK gallon = 4.546 l", True),
        ("1 UK gallon = 3.785 l", False),
        ("1 gallon = 4.546 l", False),
        ("1 l = 0.22 UK gallons", True),
        ("there are 20 UK fluid ounces in 1 UK pint", True),
        ("1 short ton = 907.2 kg", True),
        ("1 short ton = 2205 lb", False),
        ("1 binary MB = 1024 binary kB", True),
        ("1 common year = 365 days", True),
        ("1 bank month = 30.44 days", False),
    ],
)
def test_a_rival_unit_is_judged_by_its_own_measure(
    text: str, verdict: bool
) -> None:
    assert [c.verdict for c in audit_reasoning(text)] == [verdict]
