"""Reports: their rates, their JSON, and the runs they come from."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.test_grade import GRAMS, RIGHT, graded
from unitconv.common.errors import UnitconvError
from unitconv.common.files import json_lines
from unitconv.evaluation.breakdown import unit_pair
from unitconv.evaluation.evaluate import (
    EvaluationOptions,
    evaluate,
    evaluate_samples,
)
from unitconv.evaluation.grade import FAILURES, grade
from unitconv.evaluation.report import Report, Samples, compare
from unitconv.evaluation.stats import (
    PairedComparison,
    Proportion,
    clustered_interval,
    wilson_interval,
)
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.reference import Decoding
from unitconv.task.dataset import Question, load_split

LUCKY = "1 kg = 2000 g. 3 * 2000 = 6000. <answer>6000</answer>"
WRONG = "1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>"
TEXTS = (
    RIGHT,
    "<answer>6000</answer>",
    "1 kg = 1000 g. 6 * 1000 = 600. <answer>6000</answer>",
    WRONG,
    "6 apples = 7 oranges. <answer>7</answer>",
    "Hm.",
)


def make_report(*texts: str) -> Report:
    return Report([graded(text) for text in texts], 2.0, {"model": "m"})


def strict_json(data: dict[str, Any]) -> Any:
    """Through JSON as the standard has it: no NaN, no infinity."""
    return json.loads(json.dumps(data, allow_nan=False))


def test_rates_count_the_right_cases() -> None:
    report = make_report(*TEXTS)
    assert report.rates() == {
        "accuracy": Proportion(3, 6),
        "answer_rate": Proportion(5, 6),
        # Three of the six texts state something that can be checked.
        "reasoning_validity": Proportion(1, 3),
        "fact_validity": Proportion(2, 3),
        "arithmetic_validity": Proportion(2, 3),
        "stop_rate": Proportion(6, 6),
    }
    assert report.failures == dict.fromkeys(FAILURES, 0) | {
        "no answer": 1,
        "wrong fact": 1,
        "other": 1,
    }
    table = report.table()
    assert list(table.columns) == ["value", "low", "high", "n"]
    assert list(table.loc["accuracy"]) == [0.5, *wilson_interval(3, 6), 6]


def test_stop_rate_and_speed() -> None:
    rows = [
        grade(GRAMS, Generation(RIGHT, n, n != 20)) for n in (10, 20, 30)
    ]
    report = Report(rows, seconds=4.0)
    assert report.stop_rate == Proportion(2, 3)
    assert report.tokens_per_second == 15.0


def test_accuracy_by_family_and_by_quantity() -> None:
    cases = [
        (GRAMS, "6000"),
        (GRAMS, "6"),
        (Question("6.5 minutes to seconds?", 390.0), "180"),
        (Question("How many bits are in 60 bytes?", 480.0), "480"),
        (Question("How many bits are in 600 bytes?", 4800.0), "2"),
        (Question("What is love?", 1.0), "1"),
    ]
    rows = [graded(f"<answer>{a}</answer>", q) for q, a in cases]
    report = Report(rows, seconds=1.0)
    assert report.by_family == {
        "data": Proportion(1, 2),
        "mass": Proportion(1, 2),
        "time": Proportion(0, 1),
        "unknown": Proportion(1, 1),
    }
    assert report.by_quantity == {
        "1 to 12": Proportion(1, 2),
        "13 to 99": Proportion(1, 1),
        "100 and more": Proportion(0, 1),
        "fractions": Proportion(0, 1),
    }


@pytest.mark.parametrize("texts", [TEXTS, ("Hm.",), (RIGHT,), ()])
def test_a_report_survives_json(texts: tuple[str, ...]) -> None:
    report = make_report(*texts)
    restored = Report.from_json(strict_json(report.to_json(rows=True)))
    # NaN, which equals nothing, is compared as the text "nan".
    assert repr(restored) == repr(report)
    with pytest.raises(UnitconvError, match="without its rows"):
        Report.from_json(report.to_json())


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
    texts = [tiny.generate(q.text, settings) for q in questions]
    for batch_size in (1, 7, 64):
        done: list[int] = []
        options = EvaluationOptions(batch_size, done.append)
        report = evaluate(tiny, questions, settings, options)
        assert [row.text for row in report.rows] == texts
        assert [row.question for row in report.rows] == [
            question.text for question in questions
        ]
        assert sum(done) == 16


def test_a_report_describes_its_run(tiny: LLM) -> None:
    settings = Decoding(max_new_tokens=3, temperature=0.5, seed=8)
    report = evaluate(tiny, [GRAMS], settings, EvaluationOptions(5))
    run = strict_json(report.to_json())["run"]
    assert (
        run.items()
        >= {
            **{"model": "tiny", "adapter": None, "prompt": "raw"},
            **{"batch_size": 5, "device": "cpu", "dtype": "float32"},
        }.items()
    )
    assert Decoding(**run["decoding"]) == settings


def test_samples_repeat_and_differ(tiny: LLM) -> None:
    questions = load_split("valid")[:3]
    settings = Decoding(temperature=1.0, max_new_tokens=8)
    samples = evaluate_samples(tiny, questions, 4, settings)
    one = EvaluationOptions(batch_size=1)
    again = evaluate_samples(tiny, questions, 4, settings, one)
    texts = [[graded.text for graded in row] for row in samples.rows]
    assert [len(set(row)) for row in texts] == [4, 4, 4]
    assert [[g.text for g in row] for row in again.rows] == texts
    assert samples.run["num_return_sequences"] == 4


# --- a log of the replies -----------------------------------------------


class Killed(BaseException):
    """Stands for `kill -9`: nothing in the library catches it."""


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unitconv.evaluation.evaluate.CHUNK_SIZE", 4)
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(
        "unitconv.evaluation.evaluate.run_metadata", lambda: {}
    )


def content(report: Report | Samples) -> bytes:
    if isinstance(report, Samples):
        return json.dumps(report.to_json()).encode()
    return b"".join(report.json_parts())


def run_logged(llm: LLM, log: Path | None, n: int | None) -> bytes:
    options = EvaluationOptions(log=log)
    settings = Decoding(max_new_tokens=6, temperature=1.0)
    asked = load_split("valid")[:10]
    if n:
        return content(evaluate_samples(llm, asked, n, settings, options))
    return content(evaluate(llm, asked, settings, options))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("n", [None, 3])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_a_killed_evaluation_resumes_to_the_same_report(
    tiny: LLM, tmp_path: Path, chunk: int, share: float, n: int | None
) -> None:
    log = tmp_path / "log.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        kill_in_append(patch, chunk, share)
        with pytest.raises(Killed):
            run_logged(tiny, log, n)
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        complete = LLM.complete
        patch.setattr(
            LLM,
            "complete",
            lambda self, prompts, **rest: (
                asked.append(len(prompts)),
                complete(self, prompts, **rest),
            )[1],
        )
        resumed = run_logged(tiny, log, n)
    assert resumed == run_logged(tiny, None, n)
    # One chunk is lost at most.
    kept = 10 - sum(asked)
    assert kept in (4 * chunk, min(4 * chunk + 4, 10))


def kill_in_append(
    monkeypatch: pytest.MonkeyPatch, chunk: int, share: float
) -> None:
    """Kill the run when it has written a share of a chunk's bytes."""
    append, calls = json_lines.append_lines, iter(range(99))

    def killed(path: Path, records: Any) -> None:
        before = path.stat().st_size
        append(path, records)
        if next(calls) == chunk:
            written = path.stat().st_size - before
            os.truncate(path, before + int(share * written))
            raise Killed

    monkeypatch.setattr(json_lines, "append_lines", killed)


@pytest.mark.usefixtures("small_chunks")
def test_the_log_of_another_run_is_refused(
    tiny: LLM, make_model: Any, byte_tokenizer: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    run_logged(tiny, log, None)
    before = log.read_bytes()
    other = LLM(make_model(seed=1), byte_tokenizer, "raw", "tiny")
    with pytest.raises(UnitconvError, match=r"settings \(weights\)"):
        run_logged(other, log, None)
    with pytest.raises(UnitconvError, match="num_return_sequences"):
        run_logged(tiny, log, 3)
    assert log.read_bytes() == before


def test_a_report_is_written_as_json_writes_it() -> None:
    report = make_report(*TEXTS)
    data = report.to_json(rows=True)
    expected = json.dumps(data, indent=2, allow_nan=False) + "\n"
    assert b"".join(report.json_parts()).decode() == expected


def test_no_questions_are_an_error(tiny: LLM) -> None:
    with pytest.raises(UnitconvError, match="no questions"):
        evaluate(tiny, [])
    with pytest.raises(UnitconvError, match="no questions"):
        evaluate_samples(tiny, [], 4, Decoding())


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
    assert samples.rates() == {
        "at least one right": Proportion(3, 4),
        # Neither a wrong fact nor an answer without reasons will do.
        "at least one right and audited": Proportion(1, 4),
    }
    data = strict_json(samples.to_json())
    assert data["at_least_one_right_and_audited"] == 0.25
    assert data["right_of_all"] == 0.5


# --- two runs on the same questions -------------------------------------


def test_compare_counts_the_questions_that_differ() -> None:
    a = make_report(RIGHT, RIGHT, RIGHT, WRONG, WRONG)
    b = make_report(RIGHT, WRONG, WRONG, RIGHT, WRONG)
    # All five have the same units: there is nothing to cluster.
    assert compare(a, b) == PairedComparison(n=5, only_a=2, only_b=1)
    assert compare(a, a) == PairedComparison(n=5, only_a=0, only_b=0)


def test_questions_are_clustered_by_their_units_in_either_order() -> None:
    pair = unit_pair("How many gram are there per 6 kg?")
    assert pair == unit_pair("Convert 20 g to kilograms.")
    assert pair != unit_pair("How many pounds are 6 kg?")
    assert unit_pair("Why?") != unit_pair("How?")
    asked = load_split("valid")[:30]
    a, b = (
        Report(
            [
                grade(q, Generation(answer * (i % every > 0), 5, True))
                for i, q in enumerate(asked)
                for answer in [f"<answer>{q.answer}</answer>"]
            ],
            seconds=1.0,
        )
        for every in (2, 3)
    )
    pairs = [unit_pair(q.text) for q in asked]
    right = [[float(row.correct) for row in r.rows] for r in (a, b)]
    assert a.accuracy_clustered_ci95 == clustered_interval(
        right[0], pairs, bounds=(0.0, 1.0)
    )
    gains = [y - x for x, y in zip(*right, strict=True)]
    assert compare(a, b).clustered_ci95 == clustered_interval(gains, pairs)


def test_compare_refuses_different_questions() -> None:
    other = Question("How many gram are there per 7 kg?", 7000.0)
    same_words = Question(GRAMS.text, 6.0)
    first = Report([graded(RIGHT), graded(RIGHT, other)], 1.0)
    for rows in (
        [graded(RIGHT)],
        [graded(RIGHT, other), graded(RIGHT)],
        [graded(RIGHT, same_words), graded(RIGHT, other)],
    ):
        with pytest.raises(UnitconvError, match="the same questions"):
            compare(first, Report(rows, 1.0))
    with pytest.raises(UnitconvError, match="at least one"):
        compare(Report([], 1.0), Report([], 1.0))
