"""What a chapter says about its outputs is what the outputs say."""

import re

import pytest

from tests.book.claims import BASICS, Claim
from tests.book.claims_of_results import RESULTS
from tests.book.test_notebooks_pairs import code_cells, script
from unitconv.evaluation.leaderboard.stages import (
    read_stages,
    stage_comparisons,
)

NAMES = ("none", "one", "two", "three", "four", "five", "six", "seven")
NAMES += ("eight", "nine", "ten")
WORDS = {name: str(n) for n, name in enumerate(NAMES)} | {"all": "100"}
CLAIMS = {**BASICS, **RESULTS}


def prose(stem: str) -> str:
    cells = script(stem).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return " ".join(" ".join(texts).split())


def outputs(stem: str) -> str:
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in code_cells(stem)
        for output in cell.outputs
    ]
    return "\n".join(texts)


def agree(said: str, found: float) -> bool:
    """Whether `said` is the number, rounded to as many digits."""
    digits = WORDS.get(said.lower(), said).replace(",", "")
    places = len(digits.partition(".")[2])
    return abs(float(digits) - found) <= 0.5001 * 10**-places


def mistakes(claim: Claim, text: str, printed: str) -> list[str]:
    """List what differs between the prose and the outputs."""
    said = re.search(claim.prose, text)
    found = re.search(claim.output, printed)
    assert said, f"the prose does not say: {claim.prose}"
    assert found, f"no output has: {claim.output}"
    numbers = claim.made(*map(float, found.groups()))
    return [
        f"{words} in the prose, {number:g} in the output: {said[0]}"
        for words, number in zip(said.groups(), numbers, strict=True)
        if not agree(words, number)
    ]


@pytest.mark.parametrize("stem", CLAIMS)
def test_prose_says_what_the_outputs_say(stem: str) -> None:
    text, printed = prose(stem), outputs(stem)
    found = [
        mistake
        for claim in CLAIMS[stem]
        for mistake in mistakes(claim, text, printed)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("said", "found", "right"),
    [
        ("six", 6.0, True),
        ("20,000", 20_000.0, True),
        (".38", 0.3762, True),
        ("38", 37.4, False),
        ("29", 27.0, False),
    ],
)
def test_numbers_agree_to_the_digits_written(
    said: str, found: float, right: bool
) -> None:
    assert agree(said, found) == right


def test_a_mistake_is_found() -> None:
    claim = Claim(r"It is (\S+)\.", r"it: (\d+)")
    assert mistakes(claim, "It is six.", "it: 6") == []
    assert mistakes(claim, "It is six.", "it: 7")


# Chapter 9 says so of every seed; for None, of no seed.
VERDICTS = {
    ("cot", "sft"): "worse",
    ("cot", "rft-1"): "better",
    ("cot", "rft-2"): "better",
    ("random", "rft-1"): "better",
    ("rft-right", "rft-1"): "better",
    ("sft-matched", "rft-1"): "better",
    ("cot", "cot-gallon"): "not shown",
    ("cot", "cot-us"): "not shown",
    ("sft-reasoning", "rft-2"): "not shown",
}


@pytest.mark.parametrize("pair", VERDICTS)
def test_verdicts_are_those_of_every_seed_on_both_sets(
    pair: tuple[str, str],
) -> None:
    found = [
        comparison
        for comparison in stage_comparisons(read_stages())
        if (comparison.first, comparison.second) == pair
    ]
    assert {c.split for c in found} == {"test", "test_hard"}
    assert {c.verdict for c in found} == {VERDICTS[pair]}


def test_second_round_is_not_shown_to_help_on_hard_questions() -> None:
    found = [
        comparison.verdict
        for comparison in stage_comparisons(read_stages())
        if (comparison.first, comparison.second) == ("rft-1", "rft-2")
        and comparison.split == "test_hard"
    ]
    assert found == 3 * ["not shown"]
