"""Tasks: multiplication by its digits, and tasks of a reader's own."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unitconv.common.errors import UnitconvError
from unitconv.evaluation.grade import Graded, grade
from unitconv.evaluation.report import Samples
from unitconv.grading.tasks.load import TASKS, load_task
from unitconv.grading.tasks.multiplication import (
    MULTIPLICATION,
    SIZES,
    make_splits,
)
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.llm import Generation
from unitconv.task.dataset import Question, load_split
from unitconv.task.prompts import PromptError

QUESTION = "What is 47 * 36?"
STEPS = "40 * 36 = 1440. 7 * 36 = 252. 1440 + 252 = 1692. "
factor = st.integers(11, 999).filter(lambda n: n % 10 > 0)


def graded(text: str) -> Graded:
    return grade(
        Question(QUESTION, 47.0 * 36),
        Generation(text, len(text), True),
        MULTIPLICATION,
    )


def numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)]


# --- multiplication: the questions ----------------------------------------


def test_every_question_has_its_product() -> None:
    for split, size in SIZES.items():
        questions = MULTIPLICATION.load_split(split)
        assert len(questions) == size
        for question in questions:
            a, b = numbers(question.text)
            assert question.answer == a * b
        kinds = Counter(MULTIPLICATION.family(q.text) for q in questions)
        assert kinds == dict.fromkeys(
            ("2 x 2 digits", "3 x 2 digits"), size // 2
        )


def test_no_product_is_in_two_splits_or_in_a_prompt() -> None:
    """Not even with its factors in the other order."""
    styles = MULTIPLICATION.chat_styles.values()
    shown = [e.question for examples, _ in styles for e in examples]
    splits = [
        [q.text for q in MULTIPLICATION.load_split(name)] for name in SIZES
    ]
    keys = [
        {tuple(sorted(numbers(text))) for text in part}
        for part in [shown, *splits]
    ]
    assert len(keys[0]) > 0
    assert sum(map(len, keys)) == len(set().union(*keys))
    assert [len(part) for part in keys[1:]] == list(SIZES.values())


def test_the_seed_decides_the_questions() -> None:
    again = make_splits.__wrapped__()
    assert again == make_splits()
    assert make_splits(seed=2)["test"] != again["test"]


# --- multiplication: the grader -------------------------------------------


@given(factor, factor)
def test_reasoning_by_code_is_right_and_passes_the_audit(
    a: int, b: int
) -> None:
    question = f"Multiply {a} by {b}."
    reply = MULTIPLICATION.reasoning(question)
    assert reply is not None
    assert MULTIPLICATION.parse(reply) == a * b
    audit = MULTIPLICATION.audit(reply, question)
    assert audit.fault is None
    assert all(claim.verdict and claim.used for claim in audit.claims)


@given(factor, factor, st.data())
def test_any_other_digit_is_a_fault(
    a: int, b: int, data: st.DataObject
) -> None:
    question = f"What is {a} * {b}?"
    reply = MULTIPLICATION.reasoning(question)
    assert reply is not None
    end = reply.index("<")
    places = [i for i, c in enumerate(reply[:end]) if c.isdigit()]
    place = data.draw(st.sampled_from(places))
    digit = data.draw(
        st.sampled_from("123456789").filter(lambda d: d != reply[place])
    )
    wrong = reply[:place] + digit + reply[place + 1 :]
    assert MULTIPLICATION.audit(wrong, question).fault is not None


@pytest.mark.parametrize(
    "steps",
    [
        STEPS,
        "47 * 36 = 1692. ",
        "36 x 47 = 1,692. ",
        # By the digits of the other factor, of both, or rounded up.
        "47 * 30 = 1410. 47 * 6 = 282. 1410 + 282 = 1692. ",
        "40*30=1200, 40*6=240, 7*30=210, 7*6=42. 1200+240+210+42=1692. ",
        "50 * 36 = 1800. 3 * 36 = 108. 1800 - 108 = 1692. ",
        "47 * 36 = 40 * 36 + 7 * 36 = 1440 + 252 = 1692. ",
    ],
)
def test_ways_to_the_product(steps: str) -> None:
    row = graded(f"{steps}<answer>1692</answer>")
    assert row.correct
    assert row.fault is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<answer>1692</answer>", "no reasoning"),
        # One digit off: 0.07 %, which no tolerance may forgive.
        (
            STEPS.replace("1440", "1441").replace("252", "251")
            + "<answer>1692</answer>",
            "false statement",
        ),
        # True and right, but from nowhere.
        *(
            (f"{lucky}<answer>1692</answer>", "does not lead to the answer")
            for lucky in (
                "1000 + 692 = 1692. ",
                "1692 * 1 = 1692. ",
                "282 * 6 = 1692. ",
                "40 * 36 = 1440. 7 * 36 = 252. ",
                f"{STEPS}1692 + 8 = 1700. ",
            )
        ),
        # The steps of another product.
        (
            "40 * 36 = 1440. 8 * 36 = 288. 1440 + 288 = 1728. "
            "<answer>1728</answer>",
            "does not lead to the answer",
        ),
    ],
)
def test_faults(text: str, fault: str) -> None:
    assert graded(text).fault == fault


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("<answer>1692</answer>", None),
        ("<answer>1693</answer>", "other"),
        ("<answer>1692 kg</answer>", "no answer"),
        ("1692", "no answer"),
        (
            "40 * 36 = 1441. <answer>1441</answer>",
            "wrong arithmetic",
        ),
    ],
)
def test_every_digit_of_the_answer_counts(
    text: str, failure: str | None
) -> None:
    row = graded(text)
    assert row.correct == (failure is None)
    assert row.failure == failure
    assert row.family == "2 x 2 digits"


def test_votes_are_graded_by_the_task() -> None:
    row = [graded(f"<answer>{n}</answer>") for n in (1693, 1692, 1693)]
    strict = Samples([row], 1.0, {}, MULTIPLICATION.is_right).to_json()
    loose = Samples([row], 1.0).to_json()
    assert strict["majority"]["2"]["rate"] == 0
    assert loose["majority"]["2"]["rate"] == 1


def test_the_reply_is_begun_in_a_chat(byte_tokenizer: object) -> None:
    prompt = MULTIPLICATION.format_prompt(QUESTION, "cot", byte_tokenizer)
    assert prompt.endswith("assistant\n47 * 36: ")
    assert MULTIPLICATION.format_prompt(QUESTION, "raw") == QUESTION


# --- unit conversion is the default ---------------------------------------


def test_unit_conversion_reads_what_the_course_reads() -> None:
    assert UNIT_CONVERSION.load_split("valid") == load_split("valid")
    assert UNIT_CONVERSION.load_training() == [
        *load_split("train"),
        *load_split("train_hard"),
    ]
    assert UNIT_CONVERSION.entry == {}
    assert MULTIPLICATION.entry == {"task": "multiplication"}


# --- tasks by name --------------------------------------------------------


def test_tasks_of_the_package_have_names() -> None:
    for name, task in TASKS.items():
        assert load_task(name) is task
        assert task.load_training()
        assert task.load_validation()
        assert task.load_split("test")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("division", "unknown task.*unit-conversion, multiplication"),
        (":celsius", "unknown task"),
        ("no_such_module:celsius", "no_such_module.*cannot be imported"),
        ("broken:celsius", "cannot be imported.*SyntaxError"),
        ("other:celsius", "'celsius' is no Task but int"),
        ("other:missing", "other.py has no 'missing'"),
        ("math:pi", "no Task but float"),
    ],
)
def test_what_is_no_task_is_refused(
    name: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "broken.py").write_text("celsius =")
    (tmp_path / "other.py").write_text("celsius = 5")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnitconvError, match=message):
        load_task(name)


def test_what_a_task_lacks_is_refused_with_what_it_has() -> None:
    with pytest.raises(
        UnitconvError, match=r"'test_hard'.*valid, test, .*multip"
    ):
        MULTIPLICATION.load_split("test_hard")
    with pytest.raises(PromptError, match=r"raw, chat, direct, cot$"):
        MULTIPLICATION.format_prompt(QUESTION, "cot-us")
