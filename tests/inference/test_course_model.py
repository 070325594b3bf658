"""The shipped base model: it loads, and behaves as the book says."""

from __future__ import annotations

import json
import re
import warnings
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.prompt_probe import (
    WRAPPERS,
    ProbeSettings,
    imitation_rate,
    misspell,
    probe_prompts,
)
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.load.model import COURSE_MODEL
from unitconv.pretraining.config import PRESETS, PretrainConfig
from unitconv.task.dataset import load_split

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


def test_the_preset_is_that_of_the_training() -> None:
    """Or `unitconv pretrain` would make another model."""
    config = dict(RECORD["config"])
    corpus = config.pop("corpus")
    course = PRESETS["course"]
    assert corpus == vars(course.corpus)
    for name, value in config.items():
        if name not in ("workers", "checkpoint_every", "keep_checkpoints"):
            assert getattr(course, name) == value, name
    assert set(config) < set(PretrainConfig.__dataclass_fields__)


# ------------------------------------------------------------ the bands
# What the course needs of its base, on the first questions of the test set;
# the bands leave room for so few.

N = 24


@pytest.fixture(scope="module")
def probe(course: LLM) -> dict[str, Any]:
    settings = ProbeSettings(n_sampled=5, n_wrapped=10)
    return probe_prompts(course, load_split("test")[:N], settings)


@pytest.mark.parametrize(
    ("style", "rate", "low", "high"),
    [
        ("raw", "accuracy", 0, 0.08),
        ("raw", "answer_rate", 0, 0.15),
        ("chat", "accuracy", 0.3, 0.85),
        ("direct", "accuracy", 0.06, 0.6),
        ("direct", "answer_rate", 0.8, 1),
        ("cot", "accuracy", 0.54, 0.95),
        ("cot", "answer_rate", 0.9, 1),
        ("cot", "reasoning_validity", 0.54, 0.95),
        ("rollouts", "at_least_one_right_and_audited", 0.85, 1),
        *((f"wrapper {w}", "imitated", 0.8, 1) for w in WRAPPERS),
        ("misspelled", "answer_rate", 0.8, 1),
        ("misspelled", "accuracy", 0.05, 0.8),
    ],
)
def test_base_rates_are_in_their_bands(
    probe: dict[str, Any], style: str, rate: str, low: float, high: float
) -> None:
    assert low <= probe[style][rate] <= high


@pytest.mark.slow
@pytest.mark.parametrize("style", ["raw", "chat", "direct"])
def test_base_reaches_its_record(course: LLM, style: str) -> None:
    """On all 1000 test questions; `cot` is in test_adapters."""
    llm = LLM(course.model, course.tokenizer, style)
    report = evaluate(llm, load_split("test"))
    recorded = RESULTS["test"][style]["accuracy"]
    assert report.accuracy.value == pytest.approx(recorded, abs=0.002)


def test_misspelling_changes_the_unit_alone() -> None:
    for question in load_split("test")[::4] + load_split("test_hard")[::4]:
        slipped = misspell(question)
        assert slipped == misspell(question)
        assert slipped.answer == question.answer
        was, now = question.text, slipped.text
        assert was != now
        # Two letters have changed places, or one has come twice.
        assert sorted(was) == sorted(now) or len(now) == len(was) + 1
        assert re.findall(r"[\d.]+", was) == re.findall(r"[\d.]+", now)
        assert " inn " not in now


def test_only_replies_in_the_shown_format_are_counted(course: LLM) -> None:
    texts = ["1. [[900]]", "[[900]] or so", "[[many]]", "900"]

    def complete(prompts: list[str], **_: Any) -> list[list[Generation]]:
        assert all("[[900]]" in prompt for prompt in prompts)
        return [[Generation(text, 1, True)] for text in texts]

    llm = SimpleNamespace(tokenizer=course.tokenizer, complete=complete)
    rate = imitation_rate(cast(LLM, llm), load_split("test")[:4], "[[{v}]]")
    assert (rate.successes, rate.n) == (1, 4)
