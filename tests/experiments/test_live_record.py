"""The comparison of the page's runtime with the library."""

from __future__ import annotations

import unicodedata
from itertools import islice

import pytest
import runtime_record

from experiments.live import record
from experiments.live.texts import (
    SPECIAL,
    all_replies,
    recorded_replies,
    strings,
)


def test_record_shows_what_is_promised() -> None:
    found = record.read()
    promised = {
        ("tokens", "strings"): 10_000,
        ("grades", "replies"): 100_000,
        ("replies", "greedy"): 300,
        ("replies", "sampled"): 200,
    }
    for (part, key), least in promised.items():
        compared = found[part][key]
        assert compared["texts"] >= least, key
        assert compared["differ"] == 0, compared["first"]
    table = runtime_record.compared(found).splitlines()
    assert len(table) == 2 + len(runtime_record.COMPARED)
    speed = found["speed"]
    assert speed["simd"]["tokens_per_cpu_s"] >= 500
    assert speed["plain"]["tokens_per_cpu_s"] >= 100
    assert speed["simd"]["cpu_ms"] < 100
    assert speed["load"]["cpu_s"] < 1
    assert speed["first_load_bytes"] < 40_000


def test_numbers_of_two_runs_are_added() -> None:
    one = {"texts": 3, "differ": 1, "first": ["a"]}
    other = {"texts": 4, "differ": 0, "first": []}
    both = {"texts": 7, "differ": 1, "first": ["a"]}
    assert record.add(record.add({}, one), other) == both
    many = {"texts": 50, "differ": 50, "first": 10 * ["b"]}
    assert len(record.add(one, many)["first"]) == record.SHOWN


@pytest.mark.slow
def test_texts_are_of_all_kinds() -> None:
    drawn = strings(300)
    assert len({*drawn}) == len(drawn) == 300
    characters = {c for text in drawn for c in text}
    categories = {unicodedata.category(c) for c in characters}
    assert {"Lo", "Nd", "So", "Zs", "Cc"} <= categories
    assert "Cs" not in categories  # half a character
    assert all(any(s in text for text in drawn) for s in SPECIAL)


@pytest.mark.slow
def test_changed_replies_follow_the_recorded_ones() -> None:
    recorded = recorded_replies()
    texts = {text for _, _, text in recorded}
    first = [*islice(all_replies(), len(recorded) + 500)]
    assert first[: len(recorded)] == recorded
    changed = [text for _, _, text in first[len(recorded) :]]
    assert len({*changed} - texts) == 500
