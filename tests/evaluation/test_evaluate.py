"""Rates, intervals, failure classes and comparisons by brute force."""

from __future__ import annotations

import errno
import json
import math
import os
import random
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unitconv.common.io import write_json
from unitconv.evaluation.evaluate import evaluate, evaluate_samples
from unitconv.evaluation.grade import FAILURES, Graded, grade, quantity_kind
from unitconv.evaluation.report import Report, Samples, compare
from unitconv.evaluation.stats import Z95, PairedComparison, wilson_interval
from unitconv.grading.audit import reasoning_is_valid
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.reference import Decoding
from unitconv.task.dataset import Question, load_split
from unitconv.task.question_parser import parse_question

GRAMS = Question("How many gram are there per 6 kg?", 6000.0)
RIGHT = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"


def graded(text: str, question: Question = GRAMS) -> Graded:
    return grade(question, Generation(text, len(text), True))


def make_report(*texts: str, **changes: Any) -> Report:
    options = {"seconds": 2.0} | changes
    return Report([graded(text) for text in texts], **options)


# --- the interval of one rate -------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, 857: table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_matches_the_published_examples(
    successes: int, n: int, low: float, high: float
) -> None:
    found = wilson_interval(successes, n)
    assert [round(end, 4) for end in found] == [low, high]


def invert_score_test(successes: int, n: int) -> tuple[float, float]:
    """The shares that the data do not reject, by bisection."""
    share = successes / n

    def is_rejected(p: float) -> bool:
        return n * (share - p) ** 2 > Z95**2 * p * (1 - p)

    def edge(inside: float, outside: float) -> float:
        for _ in range(80):
            middle = (inside + outside) / 2
            if is_rejected(middle):
                outside = middle
            else:
                inside = middle
        return inside

    return edge(share, 0.0), edge(share, 1.0)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 57, 1000])
def test_wilson_holds_the_shares_that_the_score_test_accepts(
    n: int,
) -> None:
    for successes in {0, 1, n // 3, n // 2, n - 1, n}:
        assert wilson_interval(successes, n) == pytest.approx(
            invert_score_test(successes, n), abs=1e-9
        )


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 10**6))
    return draw(st.integers(0, n)), n


@given(counts())
@example((0, 1))
@example((1, 1))
def test_wilson_is_inside_the_unit_interval_and_holds_the_share(
    case: tuple[int, int],
) -> None:
    successes, n = case
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


@given(counts())
def test_wilson_of_failures_mirrors_that_of_successes(
    case: tuple[int, int],
) -> None:
    successes, n = case
    low, high = wilson_interval(successes, n)
    assert wilson_interval(n - successes, n) == pytest.approx(
        (1 - high, 1 - low), abs=1e-12
    )


@given(counts(), st.integers(2, 50))
def test_wilson_shrinks_with_the_sample(
    case: tuple[int, int], times: int
) -> None:
    successes, n = case
    low, high = wilson_interval(successes, n)
    closer, nearer = wilson_interval(times * successes, times * n)
    assert nearer - closer < high - low


def test_wilson_of_no_cases_is_unknown() -> None:
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (0, -1)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} successes of {n}"):
        wilson_interval(successes, n)


# --- one graded answer --------------------------------------------------


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (RIGHT, None),
        ("<answer>6,001 g</answer>", None),
        ("", "no answer"),
        ("1 kg = 1000 g. 6 * 1000 = 6000.", "no answer"),
        ("6 * 1000 = 6000. <answer>6000", "no answer"),
        ("<answer>six thousand</answer>", "no answer"),
        ("1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>", "wrong fact"),
        # A false fact comes first, whatever was made of it.
        ("1 kg = 100 g. 6 * 100 = 700. <answer>700</answer>", "wrong fact"),
        (
            "1 kg = 1000 g. 6 * 1000 = 8000. <answer>8000</answer>",
            "wrong arithmetic",
        ),
        ("6 * 900 = 540. <answer>540</answer>", "wrong arithmetic"),
        # Each statement is true, and still the units are upside down.
        (
            "1 g = 0.001 kg. 6 * 0.001 = 0.006. <answer>0.006</answer>",
            "wrong direction",
        ),
        (
            "1 kg = 0.001 g. 6 * 0.001 = 0.006. <answer>0.006</answer>",
            "wrong direction",
        ),
        ("<answer>0.006</answer>", "wrong direction"),
        # Right until the end, which says something else.
        (
            "1 kg = 1000 g. 6 * 1000 = 6000. <answer>5000</answer>",
            "other",
        ),
        ("<answer>5000</answer>", "other"),
        ("<answer>0</answer>", "other"),
        ("<answer>-6000</answer>", "other"),
    ],
)
def test_failure_class(text: str, failure: str | None) -> None:
    row = graded(text)
    assert row.failure == failure
    assert row.correct == (failure is None)
    assert row.answered == (failure != "no answer")


@pytest.mark.parametrize(
    ("asked", "reply", "failure"),
    [
        # 6 quarts are 5.678 l; divided they would be 6.340.
        ("6 quarts in l", "6.34", "wrong direction"),
        ("6 quarts in l", "6.38", "wrong direction"),
        # Nearer to the inverse than to the truth, and still just wrong.
        ("6 quarts in l", "6.1", "other"),
        # A UK gallon has 4.546 l and 160 fluid ounces of 28.41 ml.
        ("6 gallons in l", "27.28", "namesake"),
        ("60 l in gallons", "13.2", "namesake"),
        ("6 gallons in fluid ounces", "960", "namesake"),
        ("6 gallons in fluid ounces", "922.4", "namesake"),
        ("6 tons in lb", "12000", "namesake"),
        ("2 GB in bytes", "2147483648", "namesake"),
        # Two MiB would be graded right, so to be near them tells nothing.
        ("2 MB in bytes", "2097152", None),
        ("2 MB in bytes", "2110000", "other"),
        # Minutes instead of seconds, then days instead of hours.
        ("2 hours in s", "120", "another unit"),
        ("2 hours in s", "121", "another unit"),
        ("2 hours in s", "124", "other"),
        ("2 hours in s", "172800", "another unit"),
        # Both units exchanged: 2 days in minutes.
        ("2 hours in s", "2880", "other"),
        # The quantity again is no conversion at all.
        ("2 hours in s", "2", "other"),
        ("6 kg in g", "6", "other"),
        # 10 ft are 3.333 yd, and 3.048 m.
        ("10 ft in yd", "3.048", "another unit"),
        ("0 kg in g", "6", "other"),
    ],
)
def test_failure_class_by_the_number_alone(
    asked: str, reply: str, failure: str | None
) -> None:
    conversion = parse_question(asked)
    assert conversion is not None
    question = Question(asked, conversion.answer)
    row = graded(f"<answer>{reply}</answer>", question)
    assert row.failure == failure


@pytest.mark.parametrize(
    ("asked", "text", "failure"),
    [
        # To the audit this is false; it is true of the gallon in London.
        (
            "6 gallons in l",
            "1 gallon = 4.546 l. 6 * 4.546 = 27.28.",
            "namesake",
        ),
        ("6 m in mm", "1 m = 100 mm. 6 * 100 = 600.", "wrong fact"),
        ("6 m in mm", "6 * 10 = 600.", "wrong arithmetic"),
        ("6 m in mm", "1 m = 100 cm. 6 * 100 = 600.", "another unit"),
        # No more than one reason, and the most specific one.
        (
            "11 m in km",
            "1 m = 1000 m. 11 * 1000 = 11000.",
            "wrong direction",
        ),
    ],
)
def test_what_the_text_states_ranks_among_the_classes(
    asked: str, text: str, failure: str
) -> None:
    conversion = parse_question(asked)
    assert conversion is not None
    last = text.rstrip(".").rpartition(" ")[2]
    row = graded(
        f"{text} <answer>{last}</answer>",
        Question(asked, conversion.answer),
    )
    assert row.failure == failure


def test_a_right_answer_may_have_wrong_reasons() -> None:
    row = graded("1 kg = 1000 g. 6 * 1000 = 600. <answer>6000</answer>")
    assert row.correct
    assert row.failure is None
    assert (row.facts_ok, row.arithmetic_ok) == (True, False)
    assert row.reasoning_ok is False


@pytest.mark.parametrize(
    ("text", "facts", "arithmetic", "reasoning"),
    [
        (RIGHT, True, True, True),
        ("1 kg = 1000 g.", True, None, True),
        ("6 * 7 = 42", None, True, True),
        ("1 kg = 100 g. 6 * 7 = 42", False, True, False),
        ("1 kg = 1000 g. 1 kg = 10 g.", False, None, False),
        ("6 apples = 7 oranges. 6 * 7 = 42", None, True, True),
        ("6 apples = 7 oranges.", None, None, None),
        ("<answer>6000</answer>", None, None, None),
    ],
)
def test_what_is_not_stated_is_neither_true_nor_false(
    text: str,
    facts: bool | None,
    arithmetic: bool | None,
    reasoning: bool | None,
) -> None:
    row = graded(text)
    assert (row.facts_ok, row.arithmetic_ok) == (facts, arithmetic)
    assert row.reasoning_ok is reasoning


def test_grade_keeps_what_it_was_given() -> None:
    row = grade(GRAMS, Generation(RIGHT, 17, False))
    assert (row.question, row.truth) == (GRAMS.text, GRAMS.answer)
    assert (row.text, row.n_tokens, row.finished) == (RIGHT, 17, False)
    assert (row.answer, row.family) == (6000.0, "mass")


def test_a_question_nobody_can_parse_is_graded_all_the_same() -> None:
    question = Question("What is 6 times 7?", 42.0)
    assert graded("<answer>42</answer>", question).family == "unknown"
    row = graded("6 * 7 = 40. <answer>40.0</answer>", question)
    assert row.failure is None  # inside the tolerance
    row = graded("6 * 7 = 35. <answer>35</answer>", question)
    assert row.failure == "wrong arithmetic"


PIECES = st.sampled_from(
    [
        *("1 kg", "1000", "g", "6", "0.001", " ", " ", ". ", "\n", "-"),
        *(" = ", " * ", " / ", " + ", "apples", "é", "\x00", "10^400"),
        *("<answer>", "</answer>", "nan", "inf", "is", "(", ")", "0"),
    ]
)


@given(
    st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=40),
    st.sampled_from([GRAMS.text, "6 in to in", "2 B to bits?", "?"]),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_whatever_is_written_gets_one_grade(
    text: str, asked: str, truth: float
) -> None:
    row = graded(text, Question(asked, truth))
    assert (row.failure is None) == row.correct
    assert row.failure in (None, *FAILURES)
    assert row.answered == (row.failure != "no answer")
    assert (row.reasoning_ok is True) == reasoning_is_valid(text)


# --- a report -----------------------------------------------------------

TEXTS = (
    RIGHT,
    "<answer>6000</answer>",
    "1 kg = 1000 g. 6 * 1000 = 600. <answer>6000</answer>",
    "1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>",
    "6 apples = 7 oranges. <answer>7</answer>",
    "Hm.",
)


def test_rates_count_the_right_cases() -> None:
    report = make_report(*TEXTS)
    rates = {
        name: (rate.successes, rate.n)
        for name, rate in report.rates().items()
    }
    assert rates == {
        "accuracy": (3, 6),
        "answer_rate": (5, 6),
        # Three of the six texts state something that can be checked.
        "reasoning_validity": (1, 3),
        "fact_validity": (2, 3),
        "arithmetic_validity": (2, 3),
        "stop_rate": (6, 6),
    }
    assert report.accuracy.value == 0.5
    assert report.accuracy.ci95 == wilson_interval(3, 6)


def test_stop_rate_counts_the_texts_that_end_by_themselves() -> None:
    rows = [
        grade(GRAMS, Generation(RIGHT, 5, finished))
        for finished in (True, False, True, True)
    ]
    rate = Report(rows, 1.0).stop_rate
    assert (rate.successes, rate.n) == (3, 4)


def test_failures_name_every_class_and_count_each_wrong_row_once() -> None:
    report = make_report(*TEXTS)
    assert report.failures == {
        "no answer": 1,
        "wrong direction": 0,
        "namesake": 0,
        "wrong fact": 1,
        "wrong arithmetic": 0,
        "another unit": 0,
        "other": 1,
    }
    assert set(report.failures) == set(FAILURES)


def test_by_family_splits_the_rows() -> None:
    cases = [
        (GRAMS, "6000"),
        (GRAMS, "6"),
        (Question("3 minutes to seconds?", 180.0), "180"),
        (Question("How many bits are in 2 bytes?", 16.0), "2"),
        (Question("What is love?", 1.0), "1"),
    ]
    rows = [graded(f"<answer>{a}</answer>", q) for q, a in cases]
    report = Report(rows, 1.0)
    found = {f: (r.successes, r.n) for f, r in report.by_family.items()}
    assert found == {
        "mass": (1, 2),
        "time": (1, 1),
        "data": (0, 1),
        "unknown": (1, 1),
    }


def test_speed_is_tokens_by_seconds() -> None:
    rows = [grade(GRAMS, Generation(RIGHT, n, True)) for n in (10, 20, 30)]
    report = Report(rows, seconds=4.0)
    assert report.n_tokens == 60
    assert report.tokens_per_second == 15.0
    assert math.isnan(Report(rows, seconds=0.0).tokens_per_second)


def strict_json(data: dict[str, Any]) -> Any:
    """Through JSON as the standard has it: no NaN, no Infinity."""
    return json.loads(json.dumps(data, allow_nan=False))


@pytest.mark.parametrize("texts", [TEXTS, ("Hm.",), (RIGHT,), ()])
def test_json_is_strict_and_has_the_promised_keys(
    texts: tuple[str, ...],
) -> None:
    data = strict_json(make_report(*texts, seconds=0.0).to_json(rows=True))
    assert set(data) >= {
        "n",
        "accuracy",
        "accuracy_ci95",
        "answer_rate",
        "answer_rate_ci95",
        "reasoning_validity",
        "reasoning_validity_ci95",
        "stop_rate",
        "tokens_per_second",
        "by_family",
        "failures",
    }
    assert data["n"] == len(texts) == len(data["rows"])


def test_json_says_what_the_report_says() -> None:
    report = make_report(*TEXTS, run={"model": "m"})
    data = strict_json(report.to_json())
    assert "rows" not in data
    assert data["accuracy"] == 0.5
    assert data["accuracy_ci95"] == list(wilson_interval(3, 6))
    assert data["reasoning_validity"] == pytest.approx(1 / 3)
    assert data["reasoning_validity_n"] == 3
    assert data["failures"] == report.failures
    assert data["run"] == {"model": "m"}
    assert data["by_family"] == {
        "mass": {
            "n": 6,
            "accuracy": 0.5,
            "accuracy_ci95": list(wilson_interval(3, 6)),
        }
    }


def test_rows_survive_json() -> None:
    report = make_report(*TEXTS)
    rows = strict_json(report.to_json(rows=True))["rows"]
    for row, kept in zip(report.rows, rows, strict=True):
        nan = kept["answer"] is None
        again = Graded(**kept | ({"answer": math.nan} if nan else {}))
        assert nan == (not row.answered)
        # NaN, which equals nothing, is compared as the text "nan".
        assert repr(again) == repr(row)


def test_tables_repeat_the_rates() -> None:
    report = make_report(*TEXTS)
    table = report.table()
    assert list(table.columns) == ["value", "low", "high", "n"]
    assert list(table.loc["accuracy"]) == [0.5, *wilson_interval(3, 6), 6]
    assert table.loc["reasoning validity", "n"] == 3
    families = report.family_table()
    assert list(families.loc["mass"]) == [0.5, *wilson_interval(3, 6), 6]


# --- writing a report ---------------------------------------------------


def disk_is_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_half(path: Path, text: str, encoding: str) -> None:
    with path.open("w", encoding=encoding) as file:
        file.write(text[: len(text) // 2])
    disk_is_full()


@pytest.mark.parametrize(
    ("method", "failing"),
    [("write_text", write_half), ("replace", disk_is_full)],
)
def test_a_failed_write_leaves_the_old_report(
    method: str,
    failing: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "report.json"
    write_json({"n": 1}, path)
    old = path.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(Path, method, failing)
        with pytest.raises(OSError, match=r"report\.json") as error:
            write_json({"n": 2, "long": "x" * 10_000}, path)
    assert error.value.errno == errno.ENOSPC
    assert path.read_text() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_replaces_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for n in (1, 2):
        write_json({"n": n, "text": "5 µm³ \ud800"}, path)
        assert json.loads(path.read_text("utf-8"))["n"] == n
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_json_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"accuracy": math.nan}, tmp_path / "report.json")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "report.json", tmp_path / "latest.json"
    path.write_text("old")
    link.symlink_to(path)
    write_json({"n": 1}, link)
    assert link.is_symlink()
    assert json.loads(path.read_text()) == {"n": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_json({"n": 1}, path)
        assert path.is_fifo()
        assert json.loads(os.read(reader, 1000)) == {"n": 1}
    finally:
        os.close(reader)


# --- asking a model -----------------------------------------------------

SETTINGS = [
    Decoding(max_new_tokens=12),
    Decoding(max_new_tokens=12, temperature=1.0, seed=3),
]


@pytest.fixture(scope="module")
def tiny(tiny_model: Any, byte_tokenizer: Any) -> LLM:
    return LLM(tiny_model, byte_tokenizer, "raw", "tiny")


@pytest.mark.parametrize("settings", SETTINGS, ids=["greedy", "sampled"])
def test_texts_do_not_depend_on_the_batch_size(
    tiny: LLM, settings: Decoding
) -> None:
    questions = load_split("valid")[:16]
    one_by_one = [
        tiny.generate(question.text, settings) for question in questions
    ]
    for batch_size in (1, 7, 64):
        report = evaluate(tiny, questions, batch_size, settings)
        assert [row.text for row in report.rows] == one_by_one
        assert [row.question for row in report.rows] == [
            question.text for question in questions
        ]


def test_course_model_texts_do_not_depend_on_the_batch_size(
    course: LLM,
) -> None:
    questions = load_split("valid")[:16]
    settings = Decoding(max_new_tokens=32)
    reports = [
        evaluate(course, questions, batch_size, settings)
        for batch_size in (1, 7, 64)
    ]
    texts = [[row.text for row in report.rows] for report in reports]
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("batch_size", [1, 4, 10, 64])
def test_progress_is_told_of_every_question(
    tiny: LLM, batch_size: int
) -> None:
    done: list[int] = []
    questions = load_split("valid")[:10]
    evaluate(
        tiny, questions, batch_size, Decoding(max_new_tokens=1), done.append
    )
    assert done == [1] * 10


def test_evaluate_needs_questions(tiny: LLM) -> None:
    with pytest.raises(ValueError, match="no questions"):
        evaluate(tiny, [])


def test_a_report_says_what_ran(tiny: LLM) -> None:
    settings = Decoding(max_new_tokens=3, temperature=0.5, seed=8)
    report = evaluate(tiny, [GRAMS], 5, settings)
    run = strict_json(report.to_json())["run"]
    assert (run["model"], run["adapter"]) == ("tiny", None)
    assert (run["prompt"], run["batch_size"]) == ("raw", 5)
    assert (run["device"], run["dtype"]) == ("cpu", "float32")
    assert run["decoding"] == {
        "max_new_tokens": 3,
        "temperature": 0.5,
        "top_p": 1.0,
        "seed": 8,
    }
    assert report.n_tokens <= 3
    assert report.seconds > 0


# --- two runs on the same questions -------------------------------------


@pytest.mark.parametrize("flips", range(11))
def test_mcnemar_counts_the_coin_tosses_at_least_as_uneven(
    flips: int,
) -> None:
    tosses = [sum(faces) for faces in product((0, 1), repeat=flips)]
    for only_a in range(flips + 1):
        uneven = abs(2 * only_a - flips)
        as_uneven = [t for t in tosses if abs(2 * t - flips) >= uneven]
        expected = len(as_uneven) / len(tosses)
        found = PairedComparison(50, only_a, flips - only_a).p_value
        assert found == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 300), st.integers(0, 300))
@example(0, 3000)  # no float holds 2**3000
@example(1450, 1550)
def test_mcnemar_is_the_exact_binomial_tail(a: int, b: int) -> None:
    flips, fewer = a + b, min(a, b)
    # Each binomial coefficient from the last: no factorials, no floats.
    ways = tail = 1
    for k in range(fewer):
        ways = ways * (flips - k) // (k + 1)
        tail += ways
    expected = min(Fraction(1), Fraction(2 * tail, 2**flips))
    p = PairedComparison(9000, a, b).p_value
    assert p == pytest.approx(float(expected), rel=1e-12)
    assert p == PairedComparison(9000, b, a).p_value
    assert 0 <= p <= 1


@given(st.integers(0, 500))
def test_equal_runs_differ_by_chance_alone(flips: int) -> None:
    assert PairedComparison(10_000, flips, flips).p_value == 1.0


def test_difference_is_second_minus_first() -> None:
    comparison = PairedComparison(n=200, only_a=10, only_b=30)
    assert comparison.difference == pytest.approx(0.1)
    low, high = comparison.ci95
    assert 0 < low < 0.1 < high
    swapped = PairedComparison(n=200, only_a=30, only_b=10)
    assert swapped.ci95 == pytest.approx((-high, -low))


@given(st.integers(1, 2000), st.data())
def test_the_interval_of_a_difference_stays_in_bounds(
    n: int, data: st.DataObject
) -> None:
    a = data.draw(st.integers(0, n))
    b = data.draw(st.integers(0, n - a))
    low, high = PairedComparison(n, a, b).ci95
    assert -1 <= low < high <= 1


@pytest.mark.parametrize(
    ("n", "only_a", "only_b"),
    [(100, 0.10, 0.20), (100, 0.02, 0.03), (1000, 0.05, 0.05)],
)
def test_the_interval_covers_the_truth_95_times_in_100(
    n: int, only_a: float, only_b: float
) -> None:
    rng = np.random.default_rng(1)
    shares = [only_a, only_b, 1 - only_a - only_b]
    covered = 0
    for a, b, _ in rng.multinomial(n, shares, size=4000).tolist():
        low, high = PairedComparison(n, a, b).ci95
        covered += low <= only_b - only_a <= high
    # The simulation's own error is 0.0034; it may be too wide, not too
    # narrow, where few questions differ.
    assert 0.94 <= covered / 4000 <= 0.99


def test_the_interval_agrees_with_the_bootstrap() -> None:
    comparison = PairedComparison(n=1000, only_a=60, only_b=110)
    rng = np.random.default_rng(1)
    pairs = np.array([-1] * 60 + [1] * 110 + [0] * 830)
    samples = rng.choice(pairs, size=(4000, 1000)).mean(axis=1)
    expected = np.quantile(samples, [0.025, 0.975])
    assert comparison.ci95 == pytest.approx(expected, abs=0.002)


def test_compare_counts_the_questions_that_differ() -> None:
    wrong = "<answer>1</answer>"
    a = make_report(RIGHT, RIGHT, RIGHT, wrong, wrong)
    b = make_report(RIGHT, wrong, wrong, RIGHT, wrong)
    assert compare(a, b) == PairedComparison(n=5, only_a=2, only_b=1)
    assert compare(a, a) == PairedComparison(n=5, only_a=0, only_b=0)


def test_compare_refuses_different_questions() -> None:
    other = Question("How many gram are there per 7 kg?", 7000.0)
    same_words = Question(GRAMS.text, 6.0)
    first = Report([graded(RIGHT), graded(RIGHT, other)], 1.0)
    for rows in (
        [graded(RIGHT)],
        [graded(RIGHT, other), graded(RIGHT)],
        [graded(RIGHT), graded(RIGHT)],
        [graded(RIGHT, same_words), graded(RIGHT, other)],
    ):
        with pytest.raises(ValueError, match="the same questions"):
            compare(first, Report(rows, 1.0))


def test_compare_refuses_empty_reports() -> None:
    with pytest.raises(ValueError, match="at least one"):
        compare(Report([], 1.0), Report([], 1.0))


def test_a_comparison_of_fair_coins_is_rarely_significant() -> None:
    """The test keeps its promise: 5 % of equal pairs at most."""
    rng = random.Random(1)
    rejected = 0
    for _ in range(1000):
        only_a = sum(rng.random() < 0.5 for _ in range(30))
        rejected += (
            PairedComparison(100, only_a, 30 - only_a).p_value < 0.05
        )
    assert rejected <= 65  # 5 % and twice the error of 1000 draws


def test_report_survives_its_json() -> None:
    report = Report(
        [
            graded(text)
            for text in ("<answer>6000</answer>", "no idea", "1 kg = 9 g")
        ],
        seconds=2.0,
        run={"model": "x"},
    )
    stored = json.loads(json.dumps(report.to_json(rows=True)))
    again = Report.from_json(stored)
    assert again.to_json(rows=True) == report.to_json(rows=True)
    assert compare(report, again).difference == 0
    with pytest.raises(ValueError, match="without its rows"):
        Report.from_json(report.to_json())


def test_an_answer_of_zero_is_no_inverse() -> None:
    # 6 m^3 are 6e9 mm^3; the inverse, 6e-9, rounds to nothing.
    wrong = grade(
        Question("6 m^3 in mm^3", 6e9),
        Generation("<answer>0</answer>", 9, True),
    )
    assert wrong.failure == "other"


# --- several completions of a question ----------------------------------

LUCKY = "1 kg = 2000 g. 3 * 2000 = 6000. <answer>6000</answer>"
WRONG = "1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>"


def test_one_right_completion_is_enough() -> None:
    samples = Samples(
        [
            [graded(WRONG), graded(RIGHT)],
            [graded(LUCKY), graded(LUCKY)],
            [graded(WRONG), graded("")],
            [graded("<answer>6000</answer>"), graded(WRONG)],
        ],
        seconds=1.0,
    )
    rates = {n: (r.successes, r.n) for n, r in samples.rates().items()}
    assert rates == {
        "at least one right": (3, 4),
        # Neither a wrong fact nor an answer without reasons will do.
        "at least one right and audited": (1, 4),
    }
    data = strict_json(samples.to_json())
    assert data["at_least_one_right_and_audited"] == 0.25
    assert data["right_of_all"] == 0.5


def test_samples_repeat_and_differ(tiny: LLM) -> None:
    questions = load_split("valid")[:3]
    settings = Decoding(temperature=1.0, max_new_tokens=8)
    samples = evaluate_samples(tiny, questions, 4, settings)
    again = evaluate_samples(tiny, questions, 4, settings, batch_size=1)
    texts = [[graded.text for graded in row] for row in samples.rows]
    assert [len(set(row)) for row in texts] == [4, 4, 4]
    assert [[g.text for g in row] for row in again.rows] == texts
    assert samples.run["num_return_sequences"] == 4
    with pytest.raises(ValueError, match="no questions"):
        evaluate_samples(tiny, [], 4, settings)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many g are in 12 kg?", "1 to 12"),
        ("How many g are in 13 kg?", "13 to 99"),
        ("How many g are in 99 kg?", "13 to 99"),
        ("How many g are in 100 kg?", "100 and more"),
        ("How many g are in 0.5 kg?", "fractions"),
        ("How many g are in 100.5 kg?", "fractions"),
        ("How many?", None),
    ],
)
def test_quantities_are_sorted_by_how_hard_they_are(
    question: str, kind: str | None
) -> None:
    assert quantity_kind(question) == kind


def test_by_quantity_splits_the_rows() -> None:
    rows = [graded(RIGHT)] + [
        graded(RIGHT, Question(f"How many g are in {n} kg?", truth))
        for n, truth in ((6.5, 6500), (60, 6000), (600, 6000))
    ]
    found = Report(rows, seconds=1.0).by_quantity
    assert {kind: (r.successes, r.n) for kind, r in found.items()} == {
        "1 to 12": (1, 1),
        "13 to 99": (1, 1),
        "100 and more": (1, 1),
        "fractions": (0, 1),
    }
