"""The ground truth, against constants typed by hand from NIST SP 811."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unitconv.task.units import (
    ALTERNATIVE_UNITS,
    BY_NAME,
    SPELLINGS,
    UNITS,
    Unit,
    UnitError,
    alternative_definitions,
    convert,
    exact_factor,
    lookup,
    resolve,
    unit_pattern,
)

# NIST Special Publication 811 (2008), appendix B.8, "Factors for units
# listed alphabetically": to convert from, to, multiply by. Seven digits
# there are seven digits here; lengths, pounds and liters are exact.
SP_811 = [
    ("day", "second", 8.64e4), ("hour", "second", 3.6e3),
    ("minute", "second", 6.0e1), ("foot", "meter", 3.048e-1),
    ("inch", "meter", 2.54e-2), ("inch", "centimeter", 2.54),
    ("yard", "meter", 9.144e-1), ("mile", "meter", 1.609344e3),
    ("mile", "kilometer", 1.609344), ("pound", "kilogram", 4.535924e-1),
    ("ounce", "kilogram", 2.834952e-2), ("ounce", "gram", 2.834952e1),
    ("metric ton", "kilogram", 1.0e3), ("tonne", "kilogram", 1.0e3),
    ("feet per second", "meters per second", 3.048e-1),
    ("inches per second", "meters per second", 2.54e-2),
    ("kilometers per hour", "meters per second", 2.777778e-1),
    ("miles per hour", "meters per second", 4.4704e-1),
    ("miles per hour", "kilometers per hour", 1.609344),
    ("liter", "cubic meter", 1.0e-3),
    ("gallon", "cubic meter", 3.785412e-3), ("gallon", "liter", 3.785412),
    ("quart", "cubic meter", 9.463529e-4), ("quart", "liter", 9.463529e-1),
    ("pint", "cubic meter", 4.731765e-4), ("pint", "liter", 4.731765e-1),
    ("fluid ounce", "cubic meter", 2.957353e-5),
    ("fluid ounce", "milliliter", 2.957353e1),
]  # fmt: skip

# Exact by definition: SI prefixes (SP 811, table 5), the liter (table 6),
# the international foot and pound (appendix B.6), the US gallon of 231
# cubic inches, the byte of eight bits.
BY_DEFINITION = [
    ("kg", "g", 1000), ("km", "m", 1000), ("m", "cm", 100),
    ("cm", "mm", 10), ("foot", "inch", 12), ("yard", "foot", 3),
    ("mile", "foot", 5280), ("mile", "yard", 1760), ("pound", "ounce", 16),
    ("pound", "gram", 453.59237), ("week", "day", 7), ("L", "ml", 1000),
    ("ml", "cc", 1), ("m^3", "L", 1000), ("cm^3", "mm^3", 1000),
    ("gallon", "quart", 4), ("quart", "pint", 2),
    ("pint", "fluid ounce", 16), ("gallon", "milliliter", 3785.411784),
    ("byte", "bit", 8),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "multiplier"), SP_811)
def test_against_nist(source: str, target: str, multiplier: float) -> None:
    assert convert(1, source, target) == pytest.approx(multiplier, rel=2e-7)
    assert convert(1, target, source) == pytest.approx(
        1 / multiplier, rel=2e-7
    )


@pytest.mark.parametrize(("source", "target", "multiplier"), BY_DEFINITION)
def test_what_is_exact_stays_exact(
    source: str, target: str, multiplier: float
) -> None:
    assert convert(1, source, target) == multiplier
    assert convert(multiplier, target, source) == 1


def test_no_spelling_stands_for_two_units() -> None:
    spelled = [s for unit in UNITS for s in unit.spellings]
    assert len(spelled) == len(set(spelled)) == len(SPELLINGS)
    lower = {s.lower(): u for s, u in SPELLINGS.items() if len(s) > 2}
    for spelling, unit in SPELLINGS.items():
        assert lower.get(spelling.lower(), unit) == unit


# ------------------------------------------------------ the ambiguities


@pytest.mark.parametrize(
    ("quantity", "source", "target", "expected"),
    [
        # Neither the US short ton of 2000 lb nor the long ton of 2240 lb.
        *((2, ton, "kg", 2000) for ton in ("ton", "tonnes", "metric ton")),
        (1, "ton", "lb", 2204.622622),
        # An imperial gallon has 4.54609 L, a US dry one 4.404884 L.
        (1, "gallon", "L", 3.785412),
        (1, "pint", "mL", 473.1765),
        # A Julian year.
        *((1, "year", "days", 365.25), (1, "month", "days", 30.4375)),
        *((1, "year", "months", 12), (1, "decade", "years", 10)),
        *((1, "century", "years", 100), (1, "century", "days", 36525)),
        # Decimal prefixes.
        *((1, kb, "bytes", 1000) for kb in ("kB", "KB", "kilobytes")),
        *(
            (1, "MB", "KB", 1000),
            (1, "G", "M", 1000),
            (1, "GB", "MB", 1000),
        ),
        *((1, "G", "B", 1e9), (1, "kB", "bit", 8000)),
        # The other definitions have their name in front.
        *((1, "UK pint", "ml", 568.26125), (1, "short ton", "lb", 2000)),
        (1, "UK oz", "ml", 28.4130625),
    ],
)
def test_ambiguous_units(
    quantity: float, source: str, target: str, expected: float
) -> None:
    converted = convert(quantity, source, target)
    assert converted == pytest.approx(expected, rel=1e-6)


def test_an_ounce_follows_the_other_side() -> None:
    for ounce in ("oz", "ounce", "ounces"):
        assert convert(1, ounce, "g") == pytest.approx(28.34952, rel=1e-6)
        assert convert(1, ounce, "mL") == pytest.approx(29.57353, rel=1e-6)
        assert convert(1, "pint", ounce) == 16
        assert convert(1, "pound", ounce) == 16
        names = [u.name for u in resolve("cc", ounce)]
        assert names == ["cubic centimeter", "fluid ounce"]
        names = [u.name for u in resolve(ounce, "cc")]
        assert names == ["fluid ounce", "cubic centimeter"]
    assert [u.name for u in resolve("oz", "kg")] == ["ounce", "kilogram"]
    assert convert(3, "oz", "oz") == 3
    with pytest.raises(UnitError):
        convert(1, "fluid ounce", "gram")


def test_capitals_matter_in_short_spellings_only() -> None:
    assert lookup("m").name == "meter"
    assert lookup("M").name == "megabyte"
    for spelling, unit in SPELLINGS.items():
        if len(spelling) > 2:
            for typed in (spelling.upper(), spelling.title()):
                assert lookup(typed) is unit
    for typed in ("KM", "Kg", "S", "b", "kb", "mb", "MM"):
        with pytest.raises(UnitError):
            lookup(typed)


# ------------------------------------------------------------ the errors


@pytest.mark.parametrize("typed", ["", " ", "furlong", "kgs.", "m / s"])
def test_an_unknown_unit_is_named(typed: str) -> None:
    with pytest.raises(UnitError) as error:
        convert(1, typed, "kg")
    assert f"unknown unit {typed!r}" in str(error.value)
    assert "kg, ton, lb, oz" in str(error.value)  # what is known
    assert isinstance(error.value, ValueError)


def test_two_families_do_not_mix() -> None:
    with pytest.raises(UnitError) as error:
        convert(1, "kg", "mph")
    assert "'kg' measures mass and 'mph' measures speed" in str(error.value)


# -------------------------------------------------------- the properties

_PAIRS = st.sampled_from(
    [(a, b) for a in UNITS for b in UNITS if a.family == b.family]
)
_QUANTITIES = st.floats(1e-6, 1e9)


@settings(deadline=None)
@given(_QUANTITIES, _PAIRS)
def test_there_and_back(quantity: float, pair: tuple[Unit, Unit]) -> None:
    a, b = (unit.symbol for unit in pair)
    there = convert(quantity, a, b)
    assert convert(there, b, a) == pytest.approx(quantity, rel=1e-12)
    assert exact_factor(*pair) * exact_factor(*pair[::-1]) == 1


# ----------------------------------------------------------- the pattern


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("m/s", "m/s"), ("m^3", "m^3"), ("cm**3", "cm**3"), ("mm", "mm")),
        *(("metric tons", "metric tons"), ("minutes.", "minutes")),
        *(("GALLONS", "GALLONS"), ("Mph", "Mph"), ("M", "M"), ("KM", None)),
        *(("more", None), ("m^2", None), ("m/day", None)),
        ("\u017fecond", None),  # a long s is no s
    ],
)
def test_the_longest_spelling_is_found(
    text: str, found: str | None
) -> None:
    match = re.match(unit_pattern(), text)
    assert (match.group() if match else None) == found


@settings(deadline=None)
@given(st.text(max_size=20))
def test_what_the_pattern_finds_can_be_looked_up(text: str) -> None:
    for match in re.finditer(unit_pattern(), text):
        assert lookup(match.group()) in UNITS


def test_alternative_definitions() -> None:
    others = {
        unit.name: [other.name for other in alternative_definitions(unit)]
        for unit in UNITS
    }
    assert others["fluid ounce"] == ["UK fluid ounce"]
    assert others["ounce"] == others["byte"] == []
    assert not set(ALTERNATIVE_UNITS) & (set(BY_NAME) | set(SPELLINGS))
