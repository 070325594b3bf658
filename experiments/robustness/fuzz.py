"""Fuzzing with hypothesis: only documented errors, and none that is slow.

The inputs of a target follow from its seeds, 0, 1, 2, ...: a run goes on
with the first seed that no run before it has used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from experiments.robustness import inputs
from unitconv.common.errors import UnitconvError
from unitconv.evaluation.grade import grade
from unitconv.grading.answer import parse_answer
from unitconv.grading.audit import audit_reasoning
from unitconv.grading.tasks.load import TASKS
from unitconv.inference.llm import LLM, Generation
from unitconv.task.dataset import Question, read_questions
from unitconv.task.question_parser import parse_question
from unitconv.training.examples import read_triples
from unitconv.training.rollouts import read_rollouts

PER_SEED = 500  #: inputs


@dataclass(frozen=True)
class Target:
    """A function, its inputs, and whether it may raise `UnitconvError`."""

    inputs: SearchStrategy[Any]
    call: Callable[[Any], object]
    may_refuse: bool = False


def targets(folder: Path) -> dict[str, Target]:
    """Return the targets by name; files are written into a folder."""
    file = inputs.Written(folder / "file.json")
    llm = LLM.from_pretrained("course", device="cpu")
    special = set(llm.tokenizer.all_special_ids)
    styles = st.sampled_from(["raw", "chat", "direct", "cot"])
    asked = st.tuples(inputs.TEXTS, inputs.QUESTIONS)

    def build_prompt(drawn: tuple[str, str]) -> None:
        question, style = drawn
        shown = LLM(llm.model, llm.tokenizer, style)
        ids = shown.encode(shown.format_prompt(question))
        plain = shown.encode(shown.format_prompt("6 kg?"))
        # A question writes no control token of its own.
        assert count(ids, special) == count(plain, special)

    def grade_reply(drawn: tuple[str, str]) -> None:
        for task in TASKS.values():
            generation = Generation(drawn[0], 1, True)
            grade(Question(drawn[1], 6.0), generation, task)

    return {
        "answer parser": Target(inputs.TEXTS, parse_answer),
        "question parser": Target(inputs.QUESTIONS, parse_question),
        "audit": Target(asked, lambda drawn: audit_reasoning(*drawn)),
        "question reader": Target(
            inputs.question_files().map(file.hold), read_questions, True
        ),
        "triple reader": Target(
            inputs.triple_files().map(file.hold), read_triples, True
        ),
        "record reader": Target(
            inputs.record_files().map(file.hold), read_rollouts, True
        ),
        "prompt builder": Target(
            st.tuples(inputs.QUESTIONS, styles), build_prompt, True
        ),
        "Task protocol": Target(asked, grade_reply),
    }


def count(token_ids: list[int], special: set[int]) -> int:
    return sum(token in special for token in token_ids)


def fuzz(target: Target, first_seed: int, seconds: float) -> dict[str, Any]:
    """Give a target inputs for some seconds of the CPU."""
    calls, slowest, faults = 0, 0.0, []

    def check(drawn: Any) -> None:
        nonlocal calls, slowest
        calls += 1
        start = time.process_time()
        with suppress(*([UnitconvError] if target.may_refuse else [])):
            target.call(drawn)
        slowest = max(slowest, time.process_time() - start)

    number, end = first_seed, time.process_time() + seconds
    while time.process_time() < end:
        try:
            seed(number)(_quick(given(target.inputs)(check)))()
        except Exception as error:
            faults.append(f"seed {number}: {type(error).__name__}: {error}")
        number += 1
    return {
        "inputs": calls,
        "faults": faults,
        "next_seed": number,
        "slowest_ms": round(1000 * slowest, 1),
    }


_quick = settings(
    max_examples=PER_SEED,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def fuzz_all(
    before: dict[str, Any], seconds: float
) -> dict[str, dict[str, Any]]:
    """Fuzz every target, and add to the counts of earlier runs."""
    done = {}
    with TemporaryDirectory() as folder:
        for name, target in targets(Path(folder)).items():
            old = before.get(name, {"inputs": 0, "faults": []})
            new = fuzz(target, old.get("next_seed", 0), seconds)
            done[name] = new | {
                "inputs": old["inputs"] + new["inputs"],
                "faults": old["faults"] + new["faults"],
                "slowest_ms": max(
                    old.get("slowest_ms", 0.0), new["slowest_ms"]
                ),
            }
            print(name, done[name], flush=True)
    return done
