"""The shipped files: they load, and they behave as the book says."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.prompt_probe import (
    WRAPPERS,
    imitation,
    measure,
    misspell,
)
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.load import COURSE_MODEL
from unitconv.pretraining.config import PRESETS, PretrainConfig
from unitconv.task.dataset import Question, load_split
from unitconv.task.prompts import STYLES

RECORD = json.loads((COURSE_MODEL / "training.json").read_text())
RESULTS = json.loads((COURSE_MODEL / "results.json").read_text())


def test_it_loads_with_plain_classes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = AutoTokenizer.from_pretrained(COURSE_MODEL)
        model = AutoModelForCausalLM.from_pretrained(COURSE_MODEL)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.config.tie_word_embeddings
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert len(tokenizer.encode("3175.2")) == 6


def test_its_files_are_small_and_safe() -> None:
    files = [p for p in COURSE_MODEL.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 12e6
    assert {p.suffix for p in files} <= {
        ".json", ".jinja", ".md", ".safetensors"
    }  # fmt: skip
    weights = load_file(COURSE_MODEL / "model.safetensors")
    assert {w.dtype for w in weights.values()} == {torch.bfloat16}


def test_its_card_says_what_was_recorded() -> None:
    written = (COURSE_MODEL / "README.md").read_text()
    assert f"{RECORD['parameters']:,}" in written
    assert f"{RECORD['tokens']:,}" in written
    assert "test" in RESULTS
    assert "test_hard" in RESULTS
    for data, reports in RESULTS.items():
        report = reports["cot"]
        low, high = report["accuracy_ci95"]
        assert (
            f"| {data} | one worked example (CoT) | {report['n']} | "
            f"{report['accuracy']:.3f} [{low:.3f}, {high:.3f}] |"
        ) in written


def test_the_preset_is_what_made_it() -> None:
    """Or `unitconv pretrain` would make another model."""
    config = dict(RECORD["config"])
    corpus = config.pop("corpus")
    course = PRESETS["course"]
    assert corpus == vars(course.corpus)
    for name, value in config.items():
        if name not in ("workers", "checkpoint_every"):
            assert getattr(course, name) == value, name
    assert set(config) < set(PretrainConfig.__dataclass_fields__)


# ------------------------------------------------------------ the bands
# What the course needs of its base, on the test set's first 300 questions.
# The bands leave room for the interval of so few, about five points to
# either side.

N, SAMPLED = 300, 60


@pytest.fixture(scope="module")
def found(course: LLM) -> dict[str, Any]:
    questions = load_split("test")[:N]
    return measure(course, questions, sampled=SAMPLED, wrapped=SAMPLED)


def test_every_part_was_measured(found: dict[str, Any]) -> None:
    assert [found[style]["n"] for style in STYLES] == [N] * len(STYLES)
    assert found["rollouts"]["n"] == SAMPLED
    assert found["misspelled"]["n"] == SAMPLED
    assert sum(name.startswith("wrapper") for name in found) == 3


def test_the_bare_question_is_no_use(found: dict[str, Any]) -> None:
    assert found["raw"]["accuracy"] < 0.08
    assert found["raw"]["answer_rate"] < 0.15


def test_an_instruction_alone_is_little_use(found: dict[str, Any]) -> None:
    assert found["chat"]["accuracy"] < 0.36


def test_direct_answers_are_poor(found: dict[str, Any]) -> None:
    assert 0.06 < found["direct"]["accuracy"] < 0.51
    assert found["direct"]["answer_rate"] > 0.80


def test_a_worked_example_makes_it_reason(found: dict[str, Any]) -> None:
    assert 0.54 < found["cot"]["accuracy"] < 0.93
    assert found["cot"]["answer_rate"] > 0.92
    assert found["cot"]["reasoning_validity"] > 0.89


def test_sampling_finds_what_greedy_misses(found: dict[str, Any]) -> None:
    rollouts = found["rollouts"]
    assert rollouts["at_least_one_right_and_audited"] > 0.9
    assert rollouts["at_least_one_right"] > found["cot"]["accuracy"]


@pytest.mark.parametrize(
    ("wrapper", "least"),
    zip(WRAPPERS, (0.82, 0.82, 0.82), strict=True),
)
def test_the_form_is_read_off_the_example(
    found: dict[str, Any], wrapper: str, least: float
) -> None:
    assert found[f"wrapper {wrapper}"]["imitated"] > least


def test_misspelled_units_are_answered(found: dict[str, Any]) -> None:
    slipped = found["misspelled"]
    assert slipped["answer_rate"] > 0.8
    assert 0.05 < slipped["accuracy"] < found["cot"]["accuracy"]


def test_units_it_never_read_do_not_stop_it(course: LLM) -> None:
    strange = [
        Question("How many furlongs are in 3 parsecs?", 1.0),
        Question("Convert 2 µmol into 千克.", 1.0),
        Question("How many 🍎 per 6 kg?", 1.0),
    ]
    report = evaluate(course, strange)
    assert [bool(row.text) for row in report.rows] == [True] * 3


def test_a_slip_changes_the_unit_alone() -> None:
    for question in load_split("test") + load_split("test_hard"):
        slipped = misspell(question)
        assert slipped == misspell(question)
        assert slipped.answer == question.answer
        was, now = question.text, slipped.text
        assert was != now
        # Two letters have changed places, or one has come twice.
        assert sorted(was) == sorted(now) or len(now) == len(was) + 1
        assert re.findall(r"[\d.]+", was) == re.findall(r"[\d.]+", now)
        assert " inn " not in now


def test_a_form_that_is_not_kept_is_not_counted(
    course: LLM,
) -> None:
    llm = FakeLLM(["1. [[900]]", "[[900]] or so", "[[many]]", "900"])
    llm.tokenizer = course.tokenizer
    rate = imitation(cast(LLM, llm), load_split("test")[:4], "[[{v}]]")
    assert (rate.successes, rate.n) == (1, 4)
    assert all("[[900]]" in prompt for prompt in llm.read)
    assert not any("<answer>" in prompt for prompt in llm.read)


class FakeLLM:
    """Gives the same replies to whatever it reads, and remembers that."""

    tokenizer: Any

    def __init__(self, replies: list[str]) -> None:
        self.replies = replies
        self.read: list[str] = []

    def complete(
        self, prompts: list[str], **settings: Any
    ) -> list[list[Generation]]:
        self.read = prompts
        return [[Generation(text, 1, True)] for text in self.replies]
