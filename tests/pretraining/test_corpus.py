"""The corpus is the same for a seed, true, and mixed as configured."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import replace
from decimal import Decimal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from unitconv.pretraining.config import PRESETS, CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    ALL_ALTERNATIVES,
    ALTERNATIVE_NAMES,
    NEAR_ALTERNATIVES,
    Convention,
    alternative_name,
    fact,
    restrict,
    singular,
    spellings,
)
from unitconv.pretraining.corpus.dataset import (
    TokenBlocks,
    documents,
    make_document,
)
from unitconv.pretraining.corpus.documents import table_document
from unitconv.pretraining.corpus.number_format import (
    first_digit,
    round_fact,
    round_result,
    write,
)
from unitconv.pretraining.corpus.solution_formats import (
    Problem,
    draw_format,
    solve,
)
from unitconv.task.question_templates import PAIRS
from unitconv.task.units import (
    BY_NAME,
    SPELLINGS,
    convert,
    lookup,
    resolve,
)

NUMBER = r"\d+(?:\.\d+)?"
CORPUS = CorpusConfig()
POUNDS = Problem(
    quantity=Decimal(7),
    source=lookup("lb"),
    target=lookup("g"),
    source_typed="pounds",
    target_typed="gram",
    convention=Convention(),
)
COURSE_FORM = replace(
    draw_format(random.Random(0), CORPUS, direct=False),
    opening="",
    fact="1 {a} = {f} {b}",
    separator=". ",
    product="{q} {x} {f} = {r}",
    times="*",
    end=". ",
    wrapper="<answer>{v}</answer>",
    tail="",
    symbols=False,
    with_unit=False,
    divide=False,
)


def test_the_corpus_is_the_one_of_the_shipped_model(
    texts: list[str],
) -> None:
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    assert digest.startswith("612abc1e00c053d7")


def test_rows_are_full_and_begin_with_a_document(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    config = PRESETS["tiny"]
    blocks = TokenBlocks(config, tokenizer)
    assert len(blocks) == config.steps * config.batch_size
    for index in range(5):
        row = blocks[index]
        assert row.shape == (config.row_length,)
        assert torch.equal(row, blocks[index])
        rng = random.Random(f"{config.seed} row {index}")
        first = make_document(config.corpus, rng)
        start = tokenizer.decode(row.tolist())
        assert (first + "<|endoftext|>").startswith(start[: len(first)])


@pytest.mark.parametrize(
    ("value", "as_fact", "as_result", "rough"),
    [
        ("453.59237", "453.6", "453.592", "400"),
        ("0.0328084", "0.03281", "0.03281", "0.03"),
        ("31557600", "31560000", "31557600", "30000000"),
        ("0.000000001", "0.000000001", "0.000000001", "0.000000001"),
        ("9.9996", "10", "10", "9"),
        ("0.00999996", "0.01", "0.01", "0.009"),
    ],
)
def test_numbers_are_rounded_and_written_plainly(
    value: str, as_fact: str, as_result: str, rough: str
) -> None:
    number = Decimal(value)
    assert write(round_fact(number)) == as_fact
    assert write(round_result(number)) == as_result
    assert write(first_digit(number)) == rough


@given(st.decimals("1e-12", "1e12", allow_nan=False))
def test_a_rounded_result_is_graded_as_right(value: Decimal) -> None:
    written = Decimal(write(round_result(value)))
    error = abs(written - value)
    assert error <= min(Decimal("0.0005"), value * Decimal("0.0005"))


# Typed from NIST SP 811 (2008), appendix B, and UK and US statutes.
@pytest.mark.parametrize(
    ("source", "target", "alternative", "value"),
    [
        ("pound", "g", None, "453.6"),
        ("mile", "km", None, "1.609"),
        ("gallon", "l", None, "3.785"),
        ("gallon", "l", "imperial", "4.546"),
        ("ton", "kg", None, "1000"),
        ("ton", "pounds", "short_ton", "2000"),
        ("kilobyte", "B", "binary", "1024"),
    ],
)
def test_facts_are_those_of_published_tables(
    source: str, target: str, alternative: str | None, value: str
) -> None:
    convention = Convention(**({alternative: True} if alternative else {}))
    assert write(fact(lookup(source), lookup(target), convention)) == value


def test_every_equation_holds(texts: list[str]) -> None:
    equation = re.compile(
        rf"^(?:- |Step \d: )?({NUMBER}) ([*x×/+-]) ({NUMBER}) = "
        rf"({NUMBER})\.?$",
        re.MULTILINE,
    )
    equations = equation.findall("\n".join(texts))
    for a, sign, b, result in equations:
        x, y = float(a), float(b)
        product = dict.fromkeys("*x×", x * y)
        values = product | {"/": x / (y or 1), "+": x + y, "-": x - y}
        assert float(result) == pytest.approx(
            values[sign], rel=6e-4, abs=1e-15
        )
    assert len(equations) > 700


def test_every_stated_fact_holds_in_some_convention(
    texts: list[str],
) -> None:
    # Months and years are the only alternatives that meet in one fact.
    conventions = [Convention()] + [
        replace(ALL_ALTERNATIVES, short_month=month, short_year=year)
        for month in (False, True)
        for year in (False, True)
    ]
    stated = re.compile(
        rf"^1 (.+) (?:=|is|equals) ({NUMBER}) (.+?)\.?$", re.MULTILINE
    )
    checked = 0
    for name, value, other in stated.findall("\n".join(texts)):
        if {name, other} <= set(SPELLINGS):
            a, b = resolve(name, other)
            truths = {write(fact(a, b, c)) for c in conventions}
            assert value in truths, (name, value, other)
            checked += 1
    assert checked > 150


@pytest.mark.parametrize(
    ("named", "gallon"), [(0.0, "gallon"), (1.0, "UK gallon")]
)
def test_a_document_keeps_to_one_convention(
    named: float, gallon: str
) -> None:
    config = CorpusConfig(
        chat_share=0.8,
        arithmetic_share=0.0,
        alternative_share=1.0,
        near_alternative_share=1.0,
        named_share=named,
    )
    text = "\n".join(documents(config, seed=0, count=1500))
    stated = re.findall(
        rf"(?<![\d.])1 ((?:UK )?gallon) = ({NUMBER}) l\w*\b", text
    )
    assert set(stated) == {(gallon, "4.546")}


def test_only_distant_alternatives_change_grades() -> None:
    for name in ALTERNATIVE_NAMES:
        convention = Convention(**{name: True})
        changes = [
            abs(fact(a, b, convention) / fact(a, b, Convention()) - 1)
            for a, b in [(BY_NAME[x], BY_NAME[y]) for x, y in PAIRS]
        ]
        assert (max(changes) < 0.05) == (name in NEAR_ALTERNATIVES), name


def test_a_tonne_is_no_short_ton() -> None:
    short = Convention(short_ton=True)
    assert restrict(short, "tonnes", "kg") == Convention()
    assert restrict(short, "tons", "kg") == short
    assert alternative_name(lookup("ton"), short) == "short "
    assert alternative_name(lookup("ton"), short, named=False) == ""


def test_tables_are_true() -> None:
    own = replace(CORPUS, alternative_share=0, near_alternative_share=0)
    tables = [table_document(random.Random(i), own) for i in range(200)]
    line = re.compile(
        r"^([\d.]+) (.+?) (?:=|is|equals|->) ([\d.]+) (.+)$", re.MULTILINE
    )
    rows = line.findall("\n".join(tables))
    for quantity, a, result, b in rows:
        truth = convert(float(quantity), a, b)
        assert float(result) == pytest.approx(truth, rel=1e-3)
    assert len(rows) > 400


def test_a_solution_in_the_format_of_the_course() -> None:
    problem, form = POUNDS, COURSE_FORM
    reasoning = "1 pound = 453.6 gram. 7 * 453.6 = 3175.2. "
    assert solve(problem, form) == reasoning + "<answer>3175.2</answer>"
    for rough, value in ((False, "3175"), (True, "3000")):
        direct = replace(form, direct=True, rough=rough)
        assert solve(problem, direct) == f"<answer>{value}</answer>"


def test_a_long_product_is_solved_in_steps() -> None:
    problem, form = POUNDS, COURSE_FORM
    long = replace(problem, quantity=Decimal("7.5"), in_steps=True)
    assert solve(long, form) == (
        "1 pound = 453.6 gram. 7 * 453.6 = 3175.2. 0.5 * 453.6 = 226.8. "
        "3175.2 + 226.8 = 3402. <answer>3402</answer>"
    )
    assert solve(replace(problem, in_steps=True), form) == solve(
        problem, form
    )


def test_distant_units_are_solved_through_a_third() -> None:
    days = replace(
        POUNDS,
        source=lookup("day"),
        target=lookup("second"),
        source_typed="days",
        target_typed="seconds",
        hop=True,
    )
    assert solve(days, COURSE_FORM) == (
        "1 day = 1440 minutes. 1 minute = 60 seconds. 7 * 1440 = 10080. "
        "10080 * 60 = 604800. <answer>604800</answer>"
    )


def test_every_spelling_of_every_unit_occurs(texts: list[str]) -> None:
    text = " ".join((*texts, *documents(CORPUS, seed=1, count=3000)))
    for spelling in SPELLINGS:
        whole = rf"(?<![\w/]){re.escape(spelling)}(?![\w/^*])"
        assert re.search(whole, text), spelling


def test_units_are_singular_after_one() -> None:
    assert singular("inches", lookup("inch")) == "inch"
    assert singular("centuries", lookup("century")) == "century"
    assert singular("s", lookup("s")) == "s"
    assert "oz" in spellings(lookup("fluid ounce"), other=lookup("pint"))
