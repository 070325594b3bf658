"""Fuzzing with hypothesis: only documented errors; times of long texts.

The inputs of a target follow from its seeds, 0, 1, 2, ...: a run goes on
with the first seed that no run before it has used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from experiments.robustness import inputs
from experiments.robustness.inputs import QUESTIONS
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

PER_SEED = 100  #: draws


@dataclass(frozen=True)
class Target:
    """A function, batches of inputs, and whether it may refuse them."""

    inputs: SearchStrategy[list[Any]]
    call: Callable[[Any], object]
    may_refuse: bool = False


def targets(folder: Path) -> dict[str, Target]:
    """Return the targets by name; files are written into a folder."""
    llm = LLM.from_pretrained("course", device="cpu")
    styled = {
        style: LLM(llm.model, llm.tokenizer, style)
        for style in ("raw", "chat", "direct", "cot")
    }
    special = set(llm.tokenizer.all_special_ids)

    def control_tokens(shown: LLM, question: str) -> int:
        token_ids = shown.encode(shown.format_prompt(question))
        return sum(token in special for token in token_ids)

    expected = {
        style: control_tokens(shown, "6 kg?")
        for style, shown in styled.items()
    }
    path = folder / "file.json"

    def reading(
        read: Callable[[Path], object],
    ) -> Callable[[bytes], object]:
        return lambda content: (path.write_bytes(content), read(path))

    def build_prompts(question: str) -> None:
        for style, shown in styled.items():
            # A question writes no control token of its own.
            assert control_tokens(shown, question) == expected[style]

    def grade_reply(text: str) -> None:
        for task in TASKS.values():
            grade(Question(text, 6.0), Generation(text, 1, True), task)

    texts, questions = inputs.texts(), inputs.questions()
    return {
        "answer parser": Target(texts, parse_answer),
        "question parser": Target(questions, parse_question),
        "audit": Target(texts, lambda text: audit_reasoning(text, text)),
        "question reader": Target(
            inputs.question_files(), reading(read_questions), True
        ),
        "triple reader": Target(
            inputs.triple_files(), reading(read_triples), True
        ),
        "record reader": Target(
            inputs.record_files(), reading(read_rollouts), True
        ),
        "prompt builder": Target(questions, build_prompts, True),
        "Task protocol": Target(texts, grade_reply),
    }


def fuzz(target: Target, first_seed: int, seconds: float) -> dict[str, Any]:
    """Give a target inputs for some seconds of the CPU."""
    calls, faults = 0, list[str]()

    def check(batch: list[Any]) -> None:
        nonlocal calls
        for drawn in batch:
            calls += 1
            with suppress(*([UnitconvError] if target.may_refuse else [])):
                target.call(drawn)

    number, end = first_seed, time.process_time() + seconds
    while time.process_time() < end:
        try:
            seed(number)(_quick(given(target.inputs)(check)))()
        except Exception as error:
            faults.append(f"seed {number}: {type(error).__name__}: {error}")
        number += 1
    return {"inputs": calls, "faults": faults, "next_seed": number}


_quick = settings(
    max_examples=PER_SEED,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def fuzz_all(
    before: dict[str, Any], seconds: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fuzz every target, and add to the counts of earlier runs."""
    with TemporaryDirectory() as folder:
        for name, target in targets(Path(folder)).items():
            old = before.get(name, {})
            new = fuzz(target, old.get("next_seed", 0), seconds)
            print(name, new, flush=True)
            yield (
                name,
                {
                    "inputs": old.get("inputs", 0) + new["inputs"],
                    "faults": old.get("faults", []) + new["faults"],
                    "next_seed": new["next_seed"],
                },
            )


#: Texts of 100 kB that are awkward for one of the parsers.
LONG = {
    piece: (piece * (100_000 // len(piece) + 1))[:100_000]
    for piece in ("a", "9", "1 ", "= ", "kg/", "6 kg = 6000 g. ", "(", "-")
}


def time_long_texts() -> dict[str, dict[str, float]]:
    """Give texts of 100 kB to the parsers: milliseconds of the CPU.

    Each time is the shortest of three, after a call that loads the units.
    """
    question = QUESTIONS[0]
    calls: dict[str, Callable[[str], object]] = {
        "answer parser": parse_answer,
        "question parser": parse_question,
        "audit of a long reply": lambda text: audit_reasoning(
            text, question
        ),
        "audit of a long question": lambda text: audit_reasoning(
            "6 kg = 6000 g", text
        ),
    }
    audit_reasoning(question, question)
    found: dict[str, dict[str, float]] = {}
    for name, call in calls.items():
        found[name] = {}
        for piece, text in LONG.items():
            times = []
            for _ in range(3):
                start = time.process_time()
                call(text)
                times.append(time.process_time() - start)
            found[name][piece.strip()] = round(1000 * min(times), 1)
    return found
