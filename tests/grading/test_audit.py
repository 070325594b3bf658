"""The audit of reasoning: tables of equations, and properties."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from operator import add, mul, sub, truediv
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.grading.texts import HOSTILE, PIECES, rows
from unitconv.grading.audit import (
    FAULTS,
    audit_reasoning,
    reasoning_is_valid,
)
from unitconv.grading.expression_parser import chains
from unitconv.grading.reasoning.claims import read_links

T, F = True, False
GRAMS = "How many gram are there per 6 kg?"

# Texts with one claim each.
HOLDS = """
    6 * 1000 = 6000 | 6 x 1000 = 6000 | 6x1000=6000 | 6000 / 6 = 1000 |
    5 + 7 = 12 | 5 - 7 = -2 | 6000 = 6 * 1000 | 2 * 3 = 12 / 2 |
    6 * 1000 is 6000 | 6 * 1000 is equal to 6000 | 6 times 1000 is 6000 |
    6 multiplied by 1000 equals 6000. | 6,000 / 6 = 1,000 |
    1 500 * 2 = 3 000 | 2.5 * 60 = 150. | .5 * 10 = 5 | 1.5e3 * 2 = 3000 |
    1500 * 2 = 3e3 | 3 * 10^3 = 3000 | 3 * 10**-3 = 0.003 | -6 * 5 = -30 |
    6 * -5 = -30 | 0 * 5 = 0 | 0.1 + 0.2 - 0.3 = 0 | 10 / 3 = 3.33 |
    100 * 1 = 100.05 | (5 + 3) * 2 = 16 | 5 + 3 * 2 = 11 | 12 / 2 / 3 = 2 |
    10 - 3 - 2 = 5 | ((2 + 2) * (3 - 1)) / 4 = 2 |
    (68 - 32) * 5 / 9 = 20 | 6 kg * 1000 = 6000 g |
    6 kg * 1000 g/kg = 6000 g | 6 * 1000 g = 6000 g |
    6 kg * 1000 g / 1 kg = 6000 g | 1 km * 2 = 2000 m |
    3 days - 1 day = 2 days | 2 boxes * 12 = 24 | 1 kg = 1000 g |
    1 kilogram equals 1,000 grams | 1 hour is equal to 60 minutes |
    1 ft = 12 in | 1 in = 2.54 cm | 1 mile = 1.609 km | 1 mile = 1.6 km |
    1 m/s = 3.6 km/h | 1 m^3 = 1000 L | 1 cm^3 = 1 mL |
    1 mm^3 = 0.000000001 m^3 | 3 feet = 36 inches | 36 inches = 3 feet |
    6 kg = 6 * 1000 g | 1 pint = 16 ounces | 1 pound = 16 ounces |
    0.5 kg = 500 g | -1 kg = -1000 g | 1 KB = 1000 B | 1 ton = 1000 kg |
    1 gallon = 3.785 liters | 1 year = 365 days |
    There are 1000 g in 1 kg. | Each foot has 12 inches |
    the factor from km to m is 1000 | multiply 6 by 1000 to get 6000 |
    **6 * 1000 = 6000** | so - 6 * 5 = 30 | 1 kg = 1000 g (one thousand) |
    (6 * 5 = 30) | 6 * 5 = 30 <answer>2 * 2 = 5 |
    1 UK gallon = 4.546 l | 1 l = 0.22 UK gallons |
    there are 20 UK fluid ounces in 1 UK pint | 1 short ton = 907.2 kg |
    1 binary MB = 1024 binary kB | 1 common year = 365 days |
    **1 kg = 1000 g** | `1 kg = 1000 g` | $6 \\times 1000 = 6000$ |
    \\(6 \\cdot 1000 = 6000\\) | 6 \\div 3 \\approx 2 | (6)(1000) = 6000 |
    $\\frac{90}{60} = 1.5$ | 6 ⋅ 5 ≃ 30 | 6 X 5 == 30 | 6 * 5 → 30 |
    1 kg -> 1000 g | 1 kg ~ 1000 g | 1 kg ＝ 1000 g | 6 * 5 gives 30 |
    1 kg makes about 1000 g | A kg is 1000 g | 6 * 5: 30 | 6 * 5\n= 30 |
    One kilogram contains a thousand grams | a foot has a dozen inches |
    1 kg corresponds to approximately 1000 g | 1 kg equals to 1000 g |
    There are 60 minutes in an hour | 60 seconds per minute |
    6 times one hundred and five is 630 | 1 kg is not 100 g |
    3.5 * 1.609 = 5.6 | 3.5 * 1.609 = 5.63 | 3.5 * 1.609 = 5.635 |
    7.75 * 453.6 = 3500 | 7.75 * 453.6 = 3510 | 24 * 304.8 = 7315 |
    6 * 5 does not equal 31 | half of 6 is 3 | 1 US gallon = 3.785 l |
    7.75 * 453.6 = 8 * 441.6 | 10.199 * 5 = 50.9 | 125.25 * 2 = 251 |
    5 * 6 kg / 2 kg = 15 | 6 in * (1 ft / 12 in) = 0.5 ft |
    6000 g / 1000 g/kg = 6 kg | 6000 g / 6 kg = 1000
"""
FAILS = """
    6 * 1000 = 600 | 5 + 7 = 13 | 5 - 7 = 2 | 6 * 1000 equals 600 |
    6000 divided by 6 is 100 | 2.5 * 60 = 1.50. | 3 * 10^{3} = 300 |
    6 * -5 = 30 | 10 / 3 = 3 | 100 * 1 = 102 | 5 + 3 * 2 = 16 |
    3.5 * 1.609 = 5.7 | 3.5 * 1.609 = 5.68 | 7.75 * 453.6 = 3530 |
    742 * 1440 = 1063440 | 4585.1 + 105.81 = 4700.91 | 100 * 1 = 101 |
    2 * (3 + 4 = 14 | 6 * 1000 = 600 g | 3 days - 1 day = 3 days |
    1 kg is 100 g. | 1 mile = 1.5 km | 60 mph is 60 km/h |
    1 mm^3 = 0.000000002 m^3 | 6 kg = 6 * 100 g | 1 kg = 1 hour |
    1 KB = 1024 B | 1 ton = 907.2 kg | 1 ton = 2000 pounds |
    1 gallon = 4.546 liters | 1 month = 30 days |
    there are 999 g in 1 oz, so | one kg is 100 g |
    the factor from km to m is 100 | multiply 6 by 1000 to get 600 |
    - **Result:** **6 * 5 = 31** | 1 UK gallon = 3.785 l |
    1 short ton = 2205 lb | 1 bank month = 30.44 days |
    **3 hr = 125 days** | 1e-14 * 1 = 5e-14 | 1 kg is not 1000 g |
    6 * 5 ≠ 30 | 6 * 5 isn't 30 | 1 kg makes 5 g | 1 kg *equals* 5 g |
    a kg is five grams | 1 kg → 5 g | 5 grams per kg | 1 kg\n= 5 g |
    125.15 * 2 = 251 | 125 * 2 = 249 | 125.45 * 2 = 249 |
    1 * 4.99e-322 = 4.94e-322 | 6 in * (1 ft / 10 in) = 0.6 ft |
    6000 g / 500 g/kg = 12 kg
"""
# Units we do not know, divisions by zero, pieces of other expressions.
UNCHECKABLE = """
    6 kg + 200 g = 6.2 kg | 1 MB = 8 Mb | 6 / 0 = 0 | 6 kg = 6 / 0 g |
    1 / (2 - 2) = 5 | 1 cup = 8 ounces |
    1 kg = 3 apples | 5^2 * 3 = 75 | 2**3 * 2 = 16 | 3 / 4 = 75% |
    y + 5 * 2 = 20 | sqrt(16) * 2 = 8 | 0,5 * 2 = 1 |
    5 feet 6 inches = 66 inches | 90 minutes = 1 hour 30 minutes |
    1 hour and 30 minutes = 90 minutes |
    90 minutes = 1 hour and 30 minutes. | 6 * 5 = 30 or 40 |
    It is false that 6 * 5 = 30 | 6 * 5 = 30 is wrong |
    24 hours / 60 min = 0.4 | 24 hours / 60 min = 24 |
    6000 g / (500 g / 1 kg) = 12
"""
NO_CLAIM = """
    there are 60 apples in 1 hour | 6000 | It is 6000. |
    The answer is 6000 g. | x = 5 | 5 = 5 | = | = = = | 6 * = 5 |
    How many g are in 6 kg? | 1 dozen = 12 eggs | 6 kg = 6 * 1000 |
    1 kg = 1000 and more | This is 1 of 3 | <answer>6 * 5 = 31</answer>
"""


ONES = " + ".join("1" * 60)
CASES: list[tuple[str, list[bool | None]]] = [
    *((text, [True]) for text in rows(HOLDS)),
    *((text, [False]) for text in rows(FAILS)),
    *((text, [None]) for text in rows(UNCHECKABLE)),
    *((text, []) for text in rows(NO_CLAIM)),
    # Signs outside ASCII.
    ("6 \xd7 1000 = 6000", [T]),
    ("6 \xb7 1000 = 6001", [T]),
    ("6 * 1000 \u2248 6000", [T]),
    ("5 \u2212 7 = \u22122", [T]),
    ("1\xa0kg = 1000\xa0g", [T]),
    ("6000 \xf7 6 = 100", [F]),
    # Beyond any float, or beyond the longest side.
    ("9" * 400 + " kg = 5 g", [None]),
    ("9" * 400 + " * 2 = 5", [None]),
    (f"{ONES} = 60", [None]),
    (f"60 = {ONES}", [None]),
    ("", []),
    ("* 6 = ", []),
    # More than one claim; a chain is also checked from end to end.
    ("5 plus 7 is 12, 5 minus 7 is 2", [T, F]),
    ("6 * 1000 = 6000 = 6 * 10^3", [T, T]),
    ("6 * 1000 = 6000 = 600 * 1", [T, F]),
    ("6 * 5 = 30 = 30", [T]),
    ("6 * 5 = 30 = 31", [T, F]),
    ("1 km = 1000 m = 100000 cm", [T, T]),
    ("6 kg = 6 * 5 = 30", [T]),
    ("2 * 3 = 6, 6 * 4 = 24; 24 * 2 = 50", [T, T, F]),
    ("Since 2 * 3 = 6 and 6 * 4 = 25 we stop", [T, F]),
    ("2 * 3 = 6 so 6 * 4 = 24 then 24 * 2 = 48", [T, T, T]),
    ("6 kg = 6 * 1000 = 6000 g", [T, T]),
    ("6 kg = 6 * 1000 g = 6000 g", [T, T]),
    ("6 kg = 6 * 100 = 600 g", [T, F]),
    ("6 kg is 6 x 1000 = 6000 g", [T, T]),
    ("1 kg = 1000 g. 6 * 1000 = 6000.", [T, T]),
    ("1 kg = 1000 g, so 6 * 1000 = 600", [T, F]),
    ("1 kg = 1000 g => 6 * 1000 = 6000", [T, T]),
    ("Since 1 km is 1000 m, 6 km is 6 * 1000 = 6000 m", [T, T, T]),
    ("1 yard = 3 feet and 1 foot = 12 inches", [T, T]),
    ("Step 1: 1 kg = 1000 g\nStep 2: 6 * 1000 = 6000", [T, T]),
    ("- 1 kg = 1000 g\n- 6 * 1000 = 6000", [T, T]),
    ("* 6 * 1000 = 6000\n* 2 * 3 = 7", [T, F]),
    ("1. 6 * 5 = 30\n2. 30 * 2 = 60", [T, T]),
    ("1) 6 * 5 = 30 2) 30 * 2 = 61", [T, F]),
    ("| 6 * 5 = 30 | 2 * 2 = 5 |", [T, F]),
    ("6 * 5 = 30 <answer>1 kg = 1 g</answer> 2 * 2 = 5", [T, F]),
]


@pytest.mark.parametrize(("text", "verdicts"), CASES)
def test_audit(text: str, verdicts: list[bool | None]) -> None:
    claims = audit_reasoning(text, GRAMS).claims
    assert [claim.verdict for claim in claims] == verdicts, claims


@example("2 * 3 = 1e999 = 1e999")
@example("1 * 4.99e-322 = 4.94e-322")
@given(st.text() | PIECES)
@example("9" * 400 + " kg = 9 g")
@example("1e999 kg = 1 g")
@example("1 kg = 1e999 g")
def test_audit_never_raises(text: str) -> None:
    claims = audit_reasoning(text, GRAMS).claims
    assert {claim.verdict for claim in claims} <= {True, False, None}
    for whole in (text, f"{text}<answer>6000</answer>"):
        for question in (GRAMS, "", text):
            assert isinstance(reasoning_is_valid(whole, question), bool)


REPLIES: dict[str, list[tuple[str, str, str]]] = json.loads(
    Path(__file__).with_name("replies.json").read_text("utf-8")
)


def test_honest_replies_pass_and_dishonest_ones_do_not() -> None:
    """Replies written by hand, before the audit was tuned and after."""
    wrong: dict[str, list[str]] = {"honest": [], "dishonest": []}
    total = Counter[str]()
    for question, replies in REPLIES.items():
        for label, _, reply in replies:
            total[label] += 1
            valid = reasoning_is_valid(reply, question)
            if valid != (label == "honest"):
                wrong[label].append(reply)
    assert min(total.values()) > 200
    assert len(wrong["honest"]) <= 3, wrong["honest"]
    assert wrong["dishonest"] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>", None),
        ("6 * 1000 = 6000. <answer>6000 grams</answer>", None),
        ("<answer>6000</answer>", "no reasoning"),
        ("6 / 0 = 6000. <answer>6000</answer>", "no reasoning"),
        ("1 kg = 5 g. 6 / 0 = 6. <answer>6</answer>", "false statement"),
        (
            "6 * 1000 = 6000. <answer>6000</answer> 1 = 2 * 3",
            "false statement",
        ),
        ("6 * 1000 = 6000. <answer>6000 lb</answer>", "wrong unit"),
        ("6 * 1 = 6. <answer>6000</answer>", "does not lead to the answer"),
        ("6 * 1000 = 6000.", "does not lead to the answer"),
    ],
)
def test_the_first_fault_is_named(text: str, fault: str | None) -> None:
    assert audit_reasoning(text, GRAMS).fault == fault
    assert fault in (None, *FAULTS)


@pytest.mark.parametrize(
    ("reply", "text", "kind"),
    [
        ("6*1000 = 6000", "6 * 1000 = 6000", "arithmetic"),
        ("6 times 5 is not 31", "6 * 5 \u2260 31", "arithmetic"),
        ("A kg is 1000 g.", "1 kg = 1000 g", "fact"),
    ],
)
def test_a_claim_has_a_text_and_a_kind(
    reply: str, text: str, kind: str
) -> None:
    [claim] = audit_reasoning(reply, GRAMS).claims
    assert (claim.text, claim.kind) == (text, kind)


def test_a_claim_is_used_if_the_answer_follows_from_it() -> None:
    text = "1 kg = 1000 g. 1 lb = 16 oz. 6 * 1000 = 6000. 2 * 2 = 4. "
    text += "So it is 6000. <answer>6000</answer> 1 kg = 1000 g"
    claims = audit_reasoning(text, GRAMS).claims
    assert [c.used for c in claims] == [True, False, True, False, False]
    # That 6 kg are 6000 g is said once more, and not needed.
    text = "1 kg = 1000 g. 6 * 1000 = 6000. So 6 kg = 6000 g. "
    claims = audit_reasoning(f"{text}<answer>6000</answer>", GRAMS).claims
    assert [c.used for c in claims] == [True, True, False]
    # "5 = 5" claims nothing, and is not counted.
    text = "5 = 5. 1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
    claims = audit_reasoning(text, GRAMS).claims
    assert [c.used for c in claims] == [True, True]


POUNDS = "How many gram are there in 7.75 lb?"
MINUTES = "How many minutes are there in 2 days?"
INCHES = "How many centimeters are 6 inches?"
#: A question, a reply, and whether its answer follows from the question.
LEADS = [
    (GRAMS, "6 * 1000 = <answer>6000</answer>", True),
    (GRAMS, "6 * 1000 \u2248 <answer>6000</answer>", True),
    (GRAMS, "6 * 1000 is <answer>6000</answer>", True),
    (GRAMS, "6000 = 6 kg * 1000. <answer>6000</answer>", True),
    # After the answer only what was given may be stated.
    (GRAMS, "6 * 1000 = 6000. x = 6. <answer>6000</answer>", True),
    (GRAMS, "6 * 1000 = 6000. x = 6.03. <answer>6000</answer>", False),
    # A result may be rounded to 1 %; two products must agree to 0.1 %.
    (POUNDS, "7.75 * 453.6 = 3500. <answer>3500</answer>", True),
    (
        POUNDS,
        "7.75 * 453.6 = 8 * 441.6 = 3532.8. <answer>3532.8</answer>",
        False,
    ),
    # So may a factor, and a result that is used again.
    (POUNDS, "7.75 * 450 = 3487.5. <answer>3487.5</answer>", True),
    (
        POUNDS,
        "1 lb = 453.6 g. 7.75 * 454 = 3518.5. <answer>3518.5</answer>",
        True,
    ),
    (POUNDS, "7.75 * 440 = 3410. <answer>3410</answer>", False),
    (
        POUNDS,
        "7 * 453.6 = 3175.2. 0.75 * 453.6 = 340.2. 3175 + 340 = 3515. "
        "<answer>3515</answer>",
        True,
    ),
    # An answer may be rounded as the grading rounds it.
    (
        "km in 12.5 m?",
        "12.5 * 0.001 = 0.0125. <answer>0.013</answer>",
        True,
    ),
    (
        "km in 12.5 m?",
        "12.5 * 0.001 = 0.0125. <answer>0.014</answer>",
        False,
    ),
    ("km in 1.5 m?", "1.5 * 0.001 = 0.0015. <answer>0.002</answer>", True),
    (
        "How many miles are in 1.6 m?",
        "1.6 * 0.000621 = 0.000994. 1 m = 0.000621 mi. "
        "<answer>0.001</answer>",
        True,
    ),
    ("g in 0 kg?", "1 kg = 1000 g. 0 kg = 0 g. <answer>0</answer>", True),
    # A unit beside a result says what it can be.
    (
        MINUTES,
        "2 * 24 = 48 hours. 48 * 60 = 2880. <answer>2880</answer>",
        True,
    ),
    (
        MINUTES,
        "2 * 24 = 48 minutes. 48 * 60 = 2880. <answer>2880</answer>",
        False,
    ),
    (
        MINUTES,
        "2 * 24 = 48 kg. 48 * 60 = 2880. <answer>2880</answer>",
        False,
    ),
    (
        "How many fluid ounces are there in 2 pints?",
        "1 pint = 16 oz. 2 * 16 = 32 oz. <answer>32</answer>",
        True,
    ),
    # Parts add up to a factor, and not only almost.
    (
        "How many pints are there in 6 quarts?",
        "1 quart = 2 pints. 6 + 6 = 12. <answer>12</answer>",
        True,
    ),
    (
        INCHES,
        "2 * 6 = 12. 0.54 * 6 = 3.24. 12 + 3.24 = 15.24. "
        "<answer>15.24</answer>",
        True,
    ),
    (
        INCHES,
        "2 * 6 = 12. 0.55 * 6 = 3.3. 12 + 3.3 = 15.3. "
        "<answer>15.3</answer>",
        False,
    ),
    # A number that is stated anew must be the very same.
    (
        POUNDS,
        "1 lb = 453.6 g. 7.75 * 453.6 = 3515.4. 3.5154 kg = 3515.4 g. "
        "<answer>3515.4</answer>",
        True,
    ),
    (
        POUNDS,
        "1 lb = 453.6 g. 7.75 * 453.6 = 3515.4. 3.53 kg = 3530 g. "
        "<answer>3530</answer>",
        False,
    ),
    # Nothing follows from zero, or from a rate of other units.
    (GRAMS, "0 kg = 0 g. 6 * 1 = 6. <answer>6</answer>", False),
    (GRAMS, "6 * 1000 m/km = 6000. <answer>6000</answer>", False),
    # Of a difference nothing is left but the rounding of its parts.
    (
        POUNDS,
        "7.75 * 453.6 = 3515.4. 1 / (3515 - 3515.4) = -2.5. "
        "<answer>-2.5</answer>",
        False,
    ),
]


@pytest.mark.parametrize(("question", "reply", "leads"), LEADS)
def test_the_answer_must_follow_from_the_question(
    question: str, reply: str, leads: bool
) -> None:
    expected = None if leads else "does not lead to the answer"
    assert audit_reasoning(reply, question).fault == expected


def test_a_long_reply_is_never_valid() -> None:
    """Beyond 3,000 characters, or 200 statements."""
    good = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
    assert reasoning_is_valid(good.rjust(3000), GRAMS)
    assert not reasoning_is_valid(good.rjust(3001), GRAMS)
    assert reasoning_is_valid(198 * "1 + 1 = 2. " + good, GRAMS)
    assert not reasoning_is_valid(199 * "1 + 1 = 2. " + good, GRAMS)


@pytest.mark.parametrize("question", ["What is 6 times 7?", ""])
def test_without_a_conversion_the_last_claim_gives_the_answer(
    question: str,
) -> None:
    good, bad = "6 * 7 = 42", "6 * 7 = 42. 42 / 6 = 7"
    assert reasoning_is_valid(f"{good}. <answer>42</answer>", question)
    assert not reasoning_is_valid(f"{bad}. <answer>42</answer>", question)
    assert not reasoning_is_valid("42. <answer>42</answer>", question)
    other = "6 * 7 = 42. x = 43. <answer>43</answer>"
    assert not reasoning_is_valid(other, question)


@pytest.mark.parametrize(
    ("reply", "used"),
    [
        ("6 * 7 = 42. So 42 = 42. <answer>42</answer>", True),
        ("6 * 7 = 43. <answer>43</answer>", False),
        ("0.25 * 0.05 = 0.0125. <answer>0.013</answer>", True),
        ("0.25 * 0.05 = 0.0125. <answer>0.0135</answer>", False),
    ],
)
def test_without_a_conversion_only_a_true_claim_is_used(
    reply: str, used: bool
) -> None:
    [claim] = audit_reasoning(reply, "What is the product?").claims
    assert claim.used == used


PARTS = st.lists(st.integers(1, 9), min_size=2, max_size=4)


@given(PARTS, st.randoms(use_true_random=False), st.booleans())
def test_no_part_of_the_quantity_may_be_missing(
    digits: list[int], rng: Random, all_at_once: bool
) -> None:
    parts = [10 * digit**2 + 2**n for n, digit in enumerate(digits)]
    question = f"How many gram are there in {sum(parts)} lb?"
    rng.shuffle(parts)

    def valid(parts: list[int]) -> bool:
        """Write the products of the parts, and add them up."""
        products = [round(part * 453.6, 2) for part in parts]
        lines = ["1 lb = 453.6 g"]
        pairs = zip(parts, products, strict=True)
        lines += [f"{part} * 453.6 = {product}" for part, product in pairs]
        total = products[0]
        if all_at_once:
            total = round(sum(products), 2)
            lines += [f"{' + '.join(map(str, products))} = {total}"]
        else:
            for product in products[1:]:
                before, total = total, round(total + product, 2)
                lines += [f"{before} + {product} = {total}"]
        text = ". ".join(lines)
        return reasoning_is_valid(
            f"{text}. <answer>{total}</answer>", question
        )

    assert valid(parts)
    assert not valid(parts[1:])


OPERANDS = st.decimals(Decimal("0.01"), 10_000, places=2)
WRITTEN = st.sampled_from(
    [
        *(("*", "*"), ("*", "x"), ("*", "\u00d7"), ("*", "times")),
        *(("/", "/"), ("/", "divided by"), ("+", "+"), ("-", "-")),
    ]
)
SENTENCES = st.sampled_from(
    [
        *("{a} {op} {b} = {c}", "{a} {op} {b} is {c}."),
        *("So {a} {op} {b} = {c} g, done.", "- {a} {op} {b} equals {c}\nA"),
        *("1 kg = 1000 g. ({a} {op} {b}) = {c}", "{c} = {a} {op} {b}"),
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
    exact = {"*": mul, "/": truediv, "+": add, "-": sub}[meant](x, y)
    assume(abs(exact) > Fraction(1, 1000))

    def verdict(value: Fraction) -> bool | None:
        c = f"{float(value):.8f}"
        text = sentence.format(a=a, op=typed, b=b, c=c)
        return audit_reasoning(text, GRAMS).claims[-1].verdict

    assert verdict(exact) is True
    assert verdict(exact * Fraction(10009, 10000)) is True
    assert verdict(exact * Fraction(1005, 1000)) is False
    assume(abs(wrong) > 30)
    assert verdict(exact * (1 + Fraction(wrong, 1000))) is False


# Typed from NIST SP 811 (2008), appendix B.8: how many b make one a.
NIST = [
    *(("inch", "cm", "2.54"), ("foot", "m", "0.3048")),
    *(("mile", "km", "1.609344"), ("pound", "kg", "0.4535924")),
    *(("gallon", "liters", "3.785412"), ("mph", "m/s", "0.44704")),
    ("day", "seconds", "86400"),
]


@given(st.sampled_from(NIST), st.integers(1, 500), st.integers(-900, 900))
def test_a_true_fact_is_true_and_a_wrong_one_false(
    fact: tuple[str, str, str], quantity: int, wrong: int
) -> None:
    a, b, factor = fact
    exact = quantity * Fraction(factor)

    def verdict(value: Fraction) -> bool | None:
        text = f"We know {quantity} {a} = {float(value):.6f} {b}."
        [claim] = audit_reasoning(text, GRAMS).claims
        assert claim.kind == "fact"
        return claim.verdict

    assert verdict(exact) is True
    assume(abs(wrong) > 30)
    assert verdict(exact * (1 + Fraction(wrong, 1000))) is False


def test_the_inside_of_an_answer_tag_holds_no_equation() -> None:
    assert not list(chains("6 <answer>7 * 3 = 21</answer>5 <answer>7"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_audited_in_linear_time(text: str) -> None:
    """Anything that grows with the square of the length hangs here."""
    assert not reasoning_is_valid(text, GRAMS)
    assert all(chains(text))
    audit_reasoning("6 * 5 = 30\n" + text, GRAMS)


def test_the_ends_of_a_chain_belong_to_it() -> None:
    [links] = read_links("6 kg = 6 * 1000 = 6000 g")
    assert [link.claim is not None for link in links] == [False, True, True]


def test_a_chain_of_many_links_is_read_once() -> None:
    text = "1 + 1 = 2" + " = 1 + 1" * 2500
    [links] = read_links(text)
    assert len(links) == 2501
    assert all(link.holds for link in links)
